"""Kafka: the way of many machines, beside a FastStream worker that does the same."""
