"""Stores: what is kept of definitions, attempts and dead letters."""
