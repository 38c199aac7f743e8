"""Bench: how fast it is, beside what a plain loop does on the same machine."""
