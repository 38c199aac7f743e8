"""A canary: no command and no failure ever shows a secret's value."""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from keyrelay.cli import app, load
from tests.e2e.cli.command import Keyrelay, Said, contents
from tests.e2e.cli.definitions import (
    CANARY,
    NORTH,
    SMTP,
    SQS,
    bury,
    create_action,
    create_policy,
    create_secret,
    secret,
)

# Each command at least once; what is in capitals is filled in. What is created with
# `-` reads the canary, whatever it is meant to be.
CASES: Sequence[Sequence[str]] = (
    ("init",),
    ("init", "--profile", "south", "--json"),
    ("secret", "create", "--key", "new", "--tag", "a=b", "--value-file", "-"),
    ("secret", "create", "--file", "-"),
    ("secret", "list"),
    ("secret", "list", "--json"),
    ("secret", "show", "mail"),
    ("secret", "uses", "mail"),
    ("secret", "uses", "mail", "--json"),
    ("secret", "show", "token", "--json"),
    ("secret", "edit", "queue", "--value-file", "-"),
    ("secret", "edit", "token", "--value-file", "-", "--json"),
    ("secret", "edit", "mail", "--file", "-"),
    ("secret", "types"),
    ("secret", "delete", "mail"),
    ("secret", "delete", "queue"),
    ("action", "create", "--file", "-"),
    ("action", "list"),
    ("action", "types", "--json"),
    ("action", "show", "tell", "--json"),
    ("action", "preview", "tell", "--json"),
    ("action", "edit", "tell", "--file", "-"),
    ("action", "edit", "tell", "--lock"),
    ("policy", "create", "--file", "-"),
    ("policy", "list"),
    ("policy", "show", "north uses its own"),
    ("policy", "edit", "north uses its own", "--file", "-"),
    ("policy", "explain", "--action", "tell", "--secret", "mail", "--json"),
    ("policy", "delete", "north uses its own"),
    ("export",),
    ("apply", "--file", "-"),
    ("apply", "--file", "-", "--dry-run", "--json"),
    ("analysis", "create", "--file", "-"),
    ("analysis", "upload", "boiler", "main.py"),
    ("analysis", "list", "--json"),
    ("analysis", "show", "boiler", "--json"),
    ("analysis", "token", "boiler"),
    ("analysis", "download", "boiler"),
    ("analysis", "run", "boiler"),
    ("analysis", "runs", "boiler"),
    ("analysis", "runs", "boiler", "--json"),
    ("analysis", "logs", "boiler"),
    ("analysis", "logs", "boiler", "--json"),
    ("analysis", "edit", "boiler", "--inactive"),
    ("analysis", "delete", "boiler"),
    ("runtime", "list", "--json"),
    ("runtime", "prepare", "python", "--package", "./no", "--requirements", "-"),
    ("trigger", "publish", "--action", "tell", "--id", "t2"),
    ("trigger", "publish", "--file", "-"),
    ("trigger", "show", "t1"),
    ("trigger", "show", "t1", "--json"),
    ("trigger", "list"),
    ("trigger", "list", "--json"),
    ("trigger", "hold", "t1"),
    ("trigger", "release", "t1"),
    ("trigger", "retry", "t1"),
    ("trigger", "cancel", "t2"),
    ("up",),
    ("worker", "--drain"),
    ("worker", "--drain", "--json"),
    ("attempt", "list"),
    ("attempt", "list", "--json"),
    ("attempt", "show", "ATTEMPT", "--json"),
    ("dead-letter", "list"),
    ("dead-letter", "show", "t1", "--json"),
    ("dead-letter", "export", "t1"),
    ("dead-letter", "redrive", "t1"),
    ("dead-letter", "drop", "--all", "--yes"),
    ("action", "delete", "tell"),
    ("job", "list", "--json"),
    ("job", "show", "0" * 24, "--json"),
    ("job", "cancel", "0" * 24),
    ("audit", "list"),
    ("audit", "list", "--json"),
    ("audit", "show", "ATTEMPT"),
    ("audit", "verify", "--json"),
    ("token", "create", "ci", "--producer", "--action", "tell"),
    ("token", "list", "--json"),
    ("token", "revoke", "ci"),
    ("profile", "list"),
    ("profile", "create", "north"),
    ("profile", "rename", "north", "west"),
    ("restore",),
    ("definitions", "accept", "--all", "--yes"),
    ("key", "status", "--check"),
    ("key", "status", "--check", "--json"),
    ("migrate", "--plan"),
    ("migrate", "--yes", "--json"),
    ("copy", "--from", "sqlite:////nowhere/keyrelay.db"),
    ("copy", "--to", "postgresql://keyrelay@127.0.0.1:1/keyrelay", "--json"),
    ("topics", "create", "--yes"),
    ("topics", "check", "--json"),
)
# They never end or start servers, and have tests of their own that look for it.
ELSEWHERE = {("demo",), ("api",)}
ENDLESS = {("up",)}  # run only while the vault is sealed, where it ends at once

LONG = CANARY * 200
INPUTS: Mapping[str, str | bytes] = {
    "the value": CANARY,
    "a secret of text": json.dumps(secret("one", CANARY)),
    "a secret of mail": json.dumps(secret("two", SMTP)),
    "a new value": json.dumps({"value": SMTP}),
    "the fields of mail": json.dumps(SMTP),
    "the fields of a queue": json.dumps(SQS),
    "too long": LONG,
    "a secret that is too long": json.dumps(secret("three", LONG)),
    "a type that is none": json.dumps(secret("four") | {"type": CANARY}),
    "a field too many": json.dumps(secret("five", {**SMTP, CANARY: "x"})),
    "a field too few": json.dumps(
        {"key": "six", "tags": NORTH, "type": "smtp", "value": {"password": CANARY}}
    ),
    "a port that is none": json.dumps(secret("seven", {**SMTP, "smtp_port": CANARY})),
    "a host that is none": json.dumps(
        secret("eight", {**SMTP, "smtp_server": f"{CANARY}\n"})
    ),
    "a queue that is none": json.dumps(secret("nine", {**SQS, "queue_url": CANARY})),
    "a region that is none": json.dumps(secret("ten", {**SQS, "aws_region": CANARY})),
    "a line end in a password": json.dumps(
        secret("eleven", {**SMTP, "password": f"{CANARY}\r\nRSET"})
    ),
    "a key twice": f'{{"key": "twelve", "value": "{CANARY}", "value": "{CANARY}"}}',
    "no JSON": f'{{"key": "thirteen", "value": "{CANARY}"',
    "a list": json.dumps([CANARY]),
    "no UTF-8": CANARY.encode() + b"\xff\xfe",
    "a surrogate": f'{{"key": "fourteen", "value": "{CANARY}\\ud800"}}',
    "too deep": "[" * 5000 + CANARY,
}


def test_every_command_has_a_case() -> None:
    covered = {_words(case) for case in CASES} | ELSEWHERE

    assert set(_commands()) == covered


@pytest.mark.parametrize("state", ["as it should be", "sealed", "altered", "unset"])
def test_no_command_shows_a_value(keyrelay: Keyrelay, state: str) -> None:
    attempt = _furnish(keyrelay)
    _spoil(keyrelay, state)

    for case in CASES:
        if _words(case) in ENDLESS and state != "sealed":
            continue
        arguments = [attempt if word == "ATTEMPT" else word for word in case]
        said = keyrelay(*arguments, stdin=CANARY)

        assert hidden(said), (case, state)
    assert not any(shown(raw) for raw in contents(keyrelay.home).values())


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with canaries in it, to be copied."""
    return tmp_path_factory.mktemp("furnished") / "home"


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS.keys())
def test_no_refusal_quotes_what_it_was_given(
    keyrelay: Keyrelay, furnished: Path, given: str | bytes
) -> None:
    if furnished.exists():
        shutil.copytree(furnished, keyrelay.home, dirs_exist_ok=True)
    else:
        _furnish(keyrelay)
        shutil.copytree(keyrelay.home, furnished)

    for case in (case for case in CASES if "-" in case):
        said = keyrelay(*case, stdin=given)

        assert hidden(said), case
        assert said.code != 70, said
    assert not any(shown(raw) for raw in contents(keyrelay.home).values())


def hidden(said: Said) -> bool:
    return not shown((said.out + said.err).encode())


def shown(raw: bytes) -> bool:
    """Tell whether the canary is there, as it is or in base64."""
    encoded = [base64.b64encode(CANARY.encode()[n:])[4:-4] for n in range(3)]
    return any(form in raw for form in (CANARY.encode(), *encoded))


def _furnish(keyrelay: Keyrelay) -> str:
    """Keep canaries of each type, use one in vain, and return the attempt's id."""
    mail = create_secret(keyrelay)
    create_secret(keyrelay, "queue", SQS)
    create_secret(keyrelay, "token", CANARY)
    create_action(keyrelay, mail)
    bury(keyrelay, "t1")
    create_policy(keyrelay)
    boiler = keyrelay.write("boiler.json", {"name": "boiler"})
    assert keyrelay("analysis", "create", "--file", boiler).code == 0
    return str(keyrelay("attempt", "list", "--json").documents[0]["id"])


def _spoil(keyrelay: Keyrelay, state: str) -> None:
    match state:
        case "sealed":
            (keyrelay.home / "key").unlink()
        case "altered":
            database = keyrelay.home / "keyrelay.db"
            raw = database.read_bytes()
            database.write_bytes(raw.replace(b'"site"', b'"side"'))
            (keyrelay.home / "audit.checkpoint").write_bytes(CANARY[:4].encode())
        case "unset":
            (keyrelay.home / "keyrelay.db").unlink()
        case _:
            pass


def _words(case: Sequence[str]) -> tuple[str, ...]:
    """Return the words that name the command."""
    one = typer.main.get_command(app)
    assert isinstance(one, TyperGroup)
    first = load(case[0])
    return tuple(case[:2]) if isinstance(first, TyperGroup) else tuple(case[:1])


def _commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of each command that the help leads to."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name in root.commands:
        if (name,) in ELSEWHERE:
            yield (name,)
            continue
        command = load(name)
        if isinstance(command, TyperCommand):
            yield (name,)
        else:
            yield from ((name, verb) for verb in command.commands)
