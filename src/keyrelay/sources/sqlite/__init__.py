"""SQLite: the embedded queue, durable on one machine."""
