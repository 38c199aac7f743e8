"""End to end: the installed command against real servers, as each user uses it."""
