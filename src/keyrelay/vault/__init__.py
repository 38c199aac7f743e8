"""Vault: what seals secrets, and opens one for a permit."""
