"""Field mappings."""
