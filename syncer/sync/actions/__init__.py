"""What somebody presses."""
