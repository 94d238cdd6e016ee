"""Lists of packages: requirements files, locks, pyproject.toml, apt's."""
