"""What the user declared and what was found in the folder."""
