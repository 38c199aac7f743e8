"""Kafka: triggers for many machines."""
