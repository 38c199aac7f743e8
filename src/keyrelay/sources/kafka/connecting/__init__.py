"""Connecting: how Kafka's brokers are found, trusted and spoken to."""
