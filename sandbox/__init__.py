"""A local Salesforce organisation that speaks Salesforce's wire protocol.

Start it with ``python -m sandbox``; mount it on a ``requests`` session with ``sandbox.inprocess``.
"""
