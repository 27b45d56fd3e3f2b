"""Salesforce → here."""
