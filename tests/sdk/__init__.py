"""TagoIO's own clients, unmodified, against the management API."""
