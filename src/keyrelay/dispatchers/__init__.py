"""Dispatchers: what acts, one folder a channel."""
