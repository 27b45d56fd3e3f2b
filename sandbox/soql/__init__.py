"""SOQL: parsed by a grammar, compiled to SQL, answered in pages."""
