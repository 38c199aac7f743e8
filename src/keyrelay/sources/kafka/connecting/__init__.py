"""Connecting: how Kafka's brokers are found, authenticated and connected to."""
