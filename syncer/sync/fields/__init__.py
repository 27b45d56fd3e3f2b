"""Between a person's fields and Salesforce's."""
