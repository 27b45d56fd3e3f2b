"""The REST API's resources."""
