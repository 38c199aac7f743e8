"""Keyrelay: triggers in; mail and queue messages out; nobody sees the secrets."""

__version__ = "0.1.0"
