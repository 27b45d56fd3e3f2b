"""The engine: decides and applies what reaches which side."""
