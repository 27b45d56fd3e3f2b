"""Who is who: the only place that says which record is whose."""
