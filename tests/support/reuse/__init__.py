"""Building and pushing one project by several ways, changing it, and counting what was done again and sent."""
