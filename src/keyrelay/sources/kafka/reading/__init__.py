"""Reading: the consumer that fetches, commits and is watched."""
