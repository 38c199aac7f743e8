"""Topics: their names, how they must be set up, and how they are created."""
