"""Faces: every page of the console, as it looks and as everyone can use it."""
