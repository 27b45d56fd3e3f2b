"""Here → Salesforce."""
