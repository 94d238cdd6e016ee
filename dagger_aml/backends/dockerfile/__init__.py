"""A plan as a Dockerfile and its context folder."""
