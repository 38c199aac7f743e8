"""Services: the real servers that tests talk to, fetched, started and stopped."""
