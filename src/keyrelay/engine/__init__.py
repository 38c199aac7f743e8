"""Engine: what leases, attempts, records and settles triggers."""
