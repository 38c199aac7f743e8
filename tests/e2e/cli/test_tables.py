"""Tables: they fit a terminal of 80 columns, and what they show of an id is enough."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import (
    ALLOW,
    NORTH,
    create_action,
    create_policy,
    create_secret,
    secret,
)

COLUMNS = 80
LONG = "the northern harbour's alarms, when it is too warm by far, " * 2
WIDE = "警報を送信する動作の名前" * 4
CHOSEN = "door-17-of-the-northern-harbour-" + "0" * 32
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory to be copied."""
    return tmp_path_factory.mktemp("made") / "home"


@pytest.fixture
def busy(keyrelay: Keyrelay, made: Path) -> Keyrelay:
    """An installation with long names, wide characters and many things of a second."""
    if made.exists():
        shutil.rmtree(keyrelay.home)
        shutil.copytree(made, keyrelay.home)
    else:
        fill(keyrelay)
        shutil.copytree(keyrelay.home, made)
    return keyrelay


def fill(keyrelay: Keyrelay) -> None:
    mail = create_secret(keyrelay, "office-mail-" * 8)
    for name in (LONG[:100].strip(), WIDE, *(f"no-{n}" for n in range(20))):
        create_action(keyrelay, mail, name)
    for name in (LONG[:100].strip(), WIDE, "short"):
        create_policy(keyrelay, {**ALLOW, "name": name, "targets": []})
    tags = [*NORTH, *({"key": f"site-{n}", "value": "harbour"} for n in range(20))]
    file = keyrelay.write("secret.json", {**secret("tagged"), "tags": tags})
    assert keyrelay("secret", "create", "--file", file).code == 0
    actions = [each["id"] for each in keyrelay("action", "list", "--json").documents]
    lines = [f'{{"action": "{actions[n % 22]}"}}' for n in range(60)]
    lines.append(f'{{"id": "{CHOSEN}", "action": "{actions[0]}"}}')
    triggers = keyrelay.write("triggers.jsonl", "\n".join(lines))
    assert keyrelay("trigger", "publish", "--file", triggers).code == 0
    assert keyrelay("worker", "--drain", "--json").document["buried"] == 61
    waiting = keyrelay.write("waiting.jsonl", "\n".join(lines[:9]))
    assert keyrelay("trigger", "publish", "--file", waiting).code == 0
    assert keyrelay("profile", "create", LONG[:100].strip()).code == 0


def at_a_terminal(keyrelay: Keyrelay, *command: str) -> str:
    """Return what stands on the screen, without escape codes."""
    screen, inside = pty.openpty()
    size = struct.pack("HHHH", 50, COLUMNS, 0, 0)
    fcntl.ioctl(inside, termios.TIOCSWINSZ, size)
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    source = Path(__file__).parents[3] / "src"
    with subprocess.Popen(
        [sys.executable, "-m", "keyrelay", *command],
        env={**environment, "PYTHONPATH": str(source), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=inside,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(inside)
        shown = b"".join(read(screen))
        _, told = process.communicate()
    assert process.returncode == 0, told
    return _ESCAPE.sub("", shown.decode()).replace("\r\n", "\n")


def read(screen: int) -> Iterator[bytes]:
    with suppress(OSError):  # EIO: the command has ended
        while chunk := os.read(screen, 65536):
            yield chunk
    os.close(screen)


def columns_of(line: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in line
    )


LISTS: Sequence[tuple[str, ...]] = (
    ("secret", "list"),
    ("action", "list"),
    ("policy", "list"),
    ("attempt", "list"),
    ("trigger", "list"),
    ("dead-letter", "list"),
    ("audit", "list"),
    ("audit", "list", "--kind", "attempt"),
    ("profile", "list"),
    ("key", "status"),
    ("secret", "types"),
    ("action", "types"),
    ("trigger", "show", CHOSEN),
)


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_a_table_fits_80_columns(busy: Keyrelay, command: tuple[str, ...]) -> None:
    shown = at_a_terminal(busy, *command)

    assert len(shown.splitlines()) > 1
    assert [each for each in shown.splitlines() if columns_of(each) > COLUMNS] == []


SHOWN: Sequence[tuple[tuple[str, ...], str, tuple[str, ...]]] = (
    (("secret", "list"), r"^(\S+)", ("secret", "show")),
    (("action", "list"), r"^(\S+)", ("action", "show")),
    (("policy", "list"), r"^(\S+)", ("policy", "show")),
    (("attempt", "list"), r"^\S+ \S+  (\S+)", ("attempt", "show")),
    (("attempt", "list"), r"^\S+ \S+  \S+  (\S+)", ("trigger", "show")),
    (("trigger", "list"), r"^(\S+)", ("trigger", "show")),
    (("audit", "list"), r"^\S+ \S+  (\S+)", ("audit", "show")),
    (("dead-letter", "list"), r"^(\S+)", ("dead-letter", "show")),
)


@pytest.mark.parametrize(("listing", "place", "show"), SHOWN)
def test_what_a_table_shows_of_an_id_is_taken_by_the_commands(
    busy: Keyrelay, listing: tuple[str, ...], place: str, show: tuple[str, ...]
) -> None:
    _, *lines = at_a_terminal(busy, *listing).splitlines()
    given = [found[1] for line in lines if (found := re.match(place, line))]

    whole = [one for one in given if one not in CHOSEN]
    said = [busy(*show, one, "--json") for one in whole[:8]]

    assert len(said) > 1
    assert {each.code for each in said} == {0}, said
    assert len({each.out for each in said}) == len(said)


def test_a_producers_id_is_shown_whole_on_several_lines(busy: Keyrelay) -> None:
    shown = at_a_terminal(busy, "dead-letter", "list")

    first = [line.split(" ", 1)[0] for line in shown.splitlines()[1:]]
    assert CHOSEN in "".join(first)


def test_a_reason_is_cut_in_a_table_and_whole_in_show(busy: Keyrelay) -> None:
    listed = at_a_terminal(busy, "dead-letter", "list")
    reason = str(busy("dead-letter", "show", CHOSEN, "--json").document["reason"])
    shown = busy("dead-letter", "show", CHOSEN).out

    assert reason[:8] in listed
    assert "…" in listed
    assert reason not in listed
    assert reason in shown


def test_the_name_of_an_action_stands_beside_its_triggers(busy: Keyrelay) -> None:
    for noun in ("attempt", "dead-letter", "audit"):
        assert "no-7 " in at_a_terminal(busy, noun, "list"), noun
        assert WIDE in busy(noun, "list").out, noun


def test_without_a_terminal_ids_and_instants_are_whole(busy: Keyrelay) -> None:
    for noun, name in (
        ("secret", "id"),
        ("action", "id"),
        ("policy", "id"),
        ("attempt", "id"),
        ("attempt", "at"),
        ("attempt", "trigger"),
        ("attempt", "action"),
        ("audit", "id"),
        ("dead-letter", "trigger"),
        ("dead-letter", "reason"),
    ):
        documents = busy(noun, "list", "--json", "--limit", "20").documents
        table = busy(noun, "list", "--limit", "20").out
        assert all(str(each[name]) in table for each in documents), (noun, name)
        assert len(table.splitlines()) == len(documents) + 1
