"""Each flag that several commands take, declared once; those of settings from the settings' records."""
