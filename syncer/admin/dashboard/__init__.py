"""The front page: how the sync is doing, and its switches."""
