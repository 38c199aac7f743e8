"""Fixtures: an installation of its own for each test, and the command over it."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.e2e.cli.command import Keyrelay


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KEYRELAY_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """What a command sets up for its process must not outlive the test."""
    root = logging.getLogger()
    loggers = (root, *map(logging.getLogger, ("keyrelay", "aiokafka")))
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory to be copied."""
    return tmp_path_factory.mktemp("founded") / "home"


@pytest.fixture
def keyrelay(
    founded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Keyrelay:
    home = tmp_path / "home"
    monkeypatch.setenv("KEYRELAY_HOME", str(home))
    monkeypatch.setenv("KEYRELAY_API", "127.0.0.1:0")
    command = Keyrelay(home=home, capture=capfd)
    if founded.exists():
        shutil.copytree(founded, home)
    else:
        assert command("init", "--no-token").code == 0
        shutil.copytree(home, founded)
    return command
