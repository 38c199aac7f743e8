"""Watch: what can be seen of a worker while it works."""
