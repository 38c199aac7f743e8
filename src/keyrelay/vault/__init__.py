"""The vault: what seals secrets, and opens one for a permit."""
