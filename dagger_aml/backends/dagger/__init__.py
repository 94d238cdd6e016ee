"""A plan carried out by a Dagger engine."""
