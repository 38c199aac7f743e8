"""Network: the addresses that may be connected to, and TLS."""
