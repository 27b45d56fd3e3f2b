"""The activity log and the values that lost."""
