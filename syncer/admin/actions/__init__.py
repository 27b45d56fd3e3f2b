"""Actions on persons: their pages, their progress, the decisions that only a person takes."""
