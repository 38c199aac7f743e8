"""Sinks: fast local peers that accept everything and keep a ledger of it."""
