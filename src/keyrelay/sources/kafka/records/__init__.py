"""Records: what stands in a topic, and the trigger that is read from it."""
