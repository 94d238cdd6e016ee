"""Images whose copied files are layers that we write ourselves; a builder is asked only for what must run."""
