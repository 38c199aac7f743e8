"""API: a request becomes a value, a service acts, a value becomes an answer."""
