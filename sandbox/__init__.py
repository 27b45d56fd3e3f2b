"""A local Salesforce organisation that speaks Salesforce's wire protocol.

Start it with ``python -m sandbox``; mount it on a ``requests`` session with ``sandbox.inprocess``.

To read it, follow a request down: ``dispatch`` gives it to ``rest`` (or ``signin``, ``control``, ``page``), which reads
through ``soql`` and saves through ``dml``, at once or in jobs of ``bulk``. All work on an ``org``; what it keeps is its
``org_data``: the ``schema``, the ``settings``, the ``users``, and the records in the ``store``. A package imports from
lower layers only; ``tests/sandbox/test_structure.py`` lists the layers.
"""
