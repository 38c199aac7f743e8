"""Audit: the chained records of attempts and changes."""
