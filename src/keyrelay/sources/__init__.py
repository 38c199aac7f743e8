"""Sources: where triggers come from."""
