"""The management API, beside a bare application of the same server."""
