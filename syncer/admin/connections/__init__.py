"""Salesforce connections."""
