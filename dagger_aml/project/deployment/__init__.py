"""Azure ML's deployment files (CLI v2), read into frozen records."""
