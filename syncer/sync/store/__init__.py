"""What is written here: each table in one file, and nobody else writes it."""
