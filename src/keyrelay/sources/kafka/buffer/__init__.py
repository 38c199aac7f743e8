"""Buffer: what was fetched from Kafka and is not settled yet."""
