"""Starting images, asking them, and telling why one did not start."""
