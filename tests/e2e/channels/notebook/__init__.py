"""Notebook: lines in a file, the smallest way to act that there can be."""
