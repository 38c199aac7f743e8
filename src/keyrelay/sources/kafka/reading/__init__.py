"""Reading: the consumer that fetches records and commits offsets, and its watchdog."""
