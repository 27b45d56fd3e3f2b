"""Where the organisation's records are kept."""
