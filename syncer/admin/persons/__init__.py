"""The list of persons, and a person's page."""
