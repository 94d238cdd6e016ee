"""How a build's commands reach what they install from."""
