"""Concurrency: small libraries that know nothing of Keyrelay."""
