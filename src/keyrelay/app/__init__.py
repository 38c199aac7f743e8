"""App: settings and assembly, the only room that knows every class."""
