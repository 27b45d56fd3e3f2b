"""The demo: a sandbox Salesforce, the web server and the background worker, started, watched and ended together."""
