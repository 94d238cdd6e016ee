"""How long is "at once" for a test."""

AT_ONCE = 25.0
"""Seconds. What is told or ends at once, or after a few seconds that the test sets, has done so by then on a busy
machine of two cores too; what the test is there to find waits for half a minute or for ever."""
