"""Script: one hosted run of a script, behind a wall, within limits."""
