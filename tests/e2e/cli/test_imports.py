"""Imports: a command loads the libraries that it uses, and no other heavy ones."""

import os
import subprocess
import sys

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import create_action, create_secret

HEAVY = {
    "aiobotocore",
    "aiohttp",
    "aiokafka",
    "aiosmtplib",
    "aiosqlite",
    "alembic",
    "asyncpg",
    "botocore",
    "cryptography",
    "msgspec",
    "prometheus_client",
    "pydantic",
    "rich",
    "sqlalchemy",
    "sqlalchemy.dialects.postgresql",
    "structlog",
    "uvloop",
}
# What opens an installation on SQLite; its settings and options are pydantic's.
STORE = {"aiosqlite", "cryptography", "msgspec", "pydantic", "sqlalchemy", "uvloop"}
COMMANDS = {
    "--help": set[str](),
    "--version": set[str](),
    "secret list": STORE | {"rich"},
    "secret list --json": STORE,
    "secret show mail --json": STORE,
    "secret create --file secret.json": STORE,
    "action list --json": STORE,
    "action show tell --json": STORE,
    "policy list --json": STORE,
    "attempt list --json": STORE,
    "dead-letter list --json": STORE,
    "audit list --json": STORE,
    "trigger publish --action tell --id t1": STORE,
    "trigger show t1 --json": STORE,
    "worker --drain": STORE
    | {"aiobotocore", "aiohttp", "aiosmtplib", "botocore", "prometheus_client"}
    | {"rich", "structlog"},
}
# Prints, when the command ends, what it has loaded.
REPORTING = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, sep="\\n", file=sys.stderr))
from keyrelay.cli import run
run()
"""


def loaded_by(command: str, folder: str, **variables: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", REPORTING, *command.split()],
        env=os.environ | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(ended.stderr.splitlines())
    assert "keyrelay.cli" in loaded
    return loaded


@pytest.fixture
def folder(keyrelay: Keyrelay) -> str:
    """Return where the documents of the commands lie; all that they name is there."""
    create_action(keyrelay, create_secret(keyrelay))
    keyrelay("trigger", "publish", "--action", "tell", "--id", "t1")
    document = '{"key": "spare", "tags": [{"key": "team", "value": "north"}]'
    keyrelay.write("secret.json", document + ', "value": "text"}')
    return str(keyrelay.home.parent)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_no_heavy_library_that_it_does_not_use(
    command: str, folder: str
) -> None:
    assert loaded_by(command, folder) & HEAVY <= COMMANDS[command]


def test_to_complete_a_commands_name_loads_nothing_of_an_installation(
    folder: str,
) -> None:
    loaded = loaded_by(
        "",
        folder,
        _KEYRELAY_COMPLETE="complete_bash",
        COMP_WORDS="keyrelay dead",
        COMP_CWORD="1",
    )

    assert loaded & HEAVY <= {"pydantic"}  # typer reads the options with it
