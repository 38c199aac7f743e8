"""Fixtures of all tests: the real services, started where a test asks for one."""

import asyncio

import pytest

from tests.fakes import Pass

pytest_plugins = ["tests.services.fixtures"]


@pytest.fixture
async def passes(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Return a function that makes seconds pass for the event loop alone."""
    loop, passed = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + sum(passed))
    return passed.append
