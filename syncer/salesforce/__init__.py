"""The edge: the only place that speaks HTTP with Salesforce, always through simple-salesforce.

It takes and gives plain values, knows nothing of Django, and is handed its session, clock, sleep and randomness.
"""
