"""Fixtures of all tests: the real services, started where a test asks for one."""

pytest_plugins = ["tests.services.fixtures"]
