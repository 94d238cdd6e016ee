"""From a graph to a plan, and the plan as text, JSON and keys."""
