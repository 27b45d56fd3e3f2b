"""What the organisation's objects and fields are."""
