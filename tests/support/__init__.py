"""What tests and measurements share, and neither is: command lines, projects, builders, registries, faults."""
