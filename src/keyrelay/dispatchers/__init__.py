"""Dispatchers: what performs actions, one folder for each channel."""
