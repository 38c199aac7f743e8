"""Databases: SQLite and PostgreSQL, their connections and transactions."""
