"""How things look and read on every page."""
