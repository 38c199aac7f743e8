"""Topics: their names, what they must be, and how they are made so."""
