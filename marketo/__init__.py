"""The Django project: settings, URLs and server entry points. Configuration and nothing else."""
