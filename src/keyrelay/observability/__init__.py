"""Observability: logs, metrics, probes and readiness."""
