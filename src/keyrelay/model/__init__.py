"""Model: values and pure decisions."""
