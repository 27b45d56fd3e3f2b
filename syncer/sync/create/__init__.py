"""A person who is not there yet."""
