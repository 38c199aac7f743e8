"""Records: what a topic holds, and the trigger that is read from it."""
