"""Stores: what is kept of definitions, claims, attempts and dead letters."""
