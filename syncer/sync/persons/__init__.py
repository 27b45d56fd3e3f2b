"""Both sides, loaded: persons as the engine sees them, records as Salesforce answered them."""
