"""What carries a plan out: the Dagger engine, a Dockerfile, a local builder that takes one."""
