"""Jobs: kept with their rows' results, and lent to one process at a time."""
