"""Saving: what Salesforce takes, how it keeps it, and why it refuses."""
