"""Now and then."""
