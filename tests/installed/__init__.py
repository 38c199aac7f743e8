"""Installed: the command `keyrelay` as its users run it, in homes of its own."""
