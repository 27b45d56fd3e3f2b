"""The frame around all work: connection, lease, runs, API calls, pages."""
