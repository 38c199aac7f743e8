"""Runtimes: what hosted scripts run with beside a bare interpreter, and its making."""
