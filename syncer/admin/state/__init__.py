"""What is said of a person's sync, always from the same facts."""
