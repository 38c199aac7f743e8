"""Faults: what is promised holds when processes, disks and peers fail."""
