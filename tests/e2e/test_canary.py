"""Plaintext stays inside: canaries are searched for wherever anything is written."""

import asyncio
import base64
import json
import os
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trustme

from tests.contract.smtp_peer import serving
from tests.e2e.canary import Canary, files_below
from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import mail_action, smtp_secret
from tests.e2e.queues import create_queue, sqs_secret
from tests.installed import command
from tests.installed.command import Command
from tests.installed.forking import KEYRELAY, Ended
from tests.installed.home import Home
from tests.installed.together import together
from tests.services.localstack import LocalStack
from tests.services.postfix import Postfix

USER = "canary-7c1f@example.com"
WRONG = 'wrong-"9d2e\\pä/ss+w0rd 5b'
ECHOED = "echoed-41aa/+%~?=&<7e"
ACCESS = "secret-access/KEY+canary%20c3d8"
TEXT = 'text "canary" \\ 8f60/+= größe'
# A talkative process: no logger's level holds anything back, a library's neither.
TALKATIVE = """\
import logging
logging.Logger.setLevel = lambda self, level: None
logging.root.level = logging.DEBUG
"""
MALFORMED: Sequence[tuple[Sequence[str], str]] = (
    (("--key", "a", "--type", "smtp"), f'{{"password": "{ECHOED}"'),
    (("--key", "c", "--type", "smtp"), json.dumps({ECHOED: 1})),
    (("--key", "d", "--type", "smtp"), json.dumps(smtp_secret(25, USER, ECHOED))),
    (
        ("--key", "e", "--type", "smtp"),
        json.dumps({**smtp_secret(587, USER, "x"), "smtp_port": ECHOED}),
    ),
    (
        ("--key", "f", "--type", "aws-sqs"),
        json.dumps(sqs_secret(f"https://{ECHOED}", "id", ACCESS)),
    ),
    (("--key", "text"), TEXT),  # a key that is there
    (("--key", "h", "--type", "smtp"), f"{ECHOED}\udcff"),
)
MISPLACED: Sequence[tuple[str, str]] = (
    ("secret", json.dumps({"key": "i", "tags": [], "valeu": TEXT})),
    ("secret", f'{{"key": "j", "value": "{ECHOED}", "value": "{ECHOED}"}}'),
    ("secret", json.dumps({"key": "k", "value": [TEXT]})),
    ("action", json.dumps(action("l", mail_action(ECHOED)))),
    ("policy", json.dumps({**EVERYTHING, "targets": [["action", ECHOED]]})),
)


CANARIES = (
    Canary(name="wrong", value=WRONG, user=USER),
    Canary(name="echoed", value=ECHOED, user=USER),
    Canary(name="access key", value=ACCESS),
    Canary(name="text", value=TEXT),
    Canary(name="user", value=USER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Keeps all that a home's commands have said."""

    home: Home
    said: list[str] = field(default_factory=list)

    def attempt(self, *arguments: str, given: str | None = None) -> Ended:
        ended = self.home.attempt(*arguments, given=given)
        self.said.append(ended.said)
        return ended


@pytest.fixture
def talkative(home: Home, tmp_path: Path) -> Home:
    code = tmp_path / "code"
    code.mkdir()
    (code / "sitecustomize.py").write_text(TALKATIVE)
    return home.under(
        {
            "PYTHONPATH": str(code),
            "PYTHONASYNCIODEBUG": "1",
            "KEYRELAY_LOG_FORMAT": "json",
        }
    )


@pytest.mark.timeout(600)  # dozens of commands, each a process
async def test_no_canary_is_ever_shown_or_written(
    talkative: Home,
    postfix: Postfix,
    localstack: LocalStack,
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    hides = {"EHLO": b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n"}
    sasl = base64.b64encode(f"\0{USER}\0{ECHOED}".encode())
    echoes = {"AUTH": b"535 5.7.8 %b is not %b\r\n" % (ECHOED.encode(), sasl)}
    async with (
        serving(certificate, hides) as plain,
        serving(certificate, echoes) as echo,
    ):
        ports = f"{postfix.port},{plain.port},{echo.port}"
        home = talkative.under(
            {
                "KEYRELAY_SMTP_PORTS": ports,
                "KEYRELAY_SQS_ENDPOINTS": localstack.endpoint,
            }
        )
        there = create_queue(localstack, "canary").url
        secrets = {
            "right": smtp_secret(postfix.port, USER, postfix.password),
            "wrong": smtp_secret(postfix.port, USER, WRONG),
            "hides": smtp_secret(plain.port, USER, ECHOED),
            "echoes": smtp_secret(echo.port, USER, ECHOED),
            "queue": sqs_secret(there, "test", ACCESS),
            "absent": sqs_secret(f"{there}-not", "test", ACCESS),
        }
        heard = await asyncio.to_thread(_everything, home, secrets, tmp_path)

    right = Canary(name="right", value=postfix.password, user=USER)
    assert _found(heard, home, [right, *CANARIES]) == set()
    assert b'"level": "debug"' in heard["worker"], "it was not talkative"
    assert sasl in echo.everything, "the canary was never used"


def test_no_canary_is_shown_or_written_where_it_is_refused(talkative: Home) -> None:
    talkative.create_secret("wrong", "smtp", smtp_secret(587, USER, WRONG))
    listener = Listener(home=talkative)
    listener.attempt(*_SEAL, "--key", "text", given=TEXT)

    _fail(listener)

    heard = {"commands": "\n".join(listener.said).encode()}
    assert b'"level": "debug"' in heard["commands"], "they were not talkative"
    assert _found(heard, talkative, CANARIES) == set()


def _found(
    heard: Mapping[str, bytes], home: Home, canaries: Sequence[Canary]
) -> set[tuple[str, str]]:
    """Return which canaries stand where."""
    return {
        (canary.name, where)
        for where, text in [*heard.items(), *files_below(home.path)]
        for canary in canaries
        if canary.stands_in(text)
    }


def _everything(
    home: Home, secrets: Mapping[str, Mapping[str, object]], folder: Path
) -> Mapping[str, bytes]:
    """Succeed and fail in every way, and return what was to be heard, by where."""
    listener = Listener(home=home)
    made = together(
        partial(_create, home, key, value) for key, value in secrets.items()
    )
    home.create("policy", EVERYTHING)
    listener.attempt(*_SEAL, "--key", "text", given=TEXT)
    publish(home, *map(trigger, secrets, made))
    worker = _worked(home, len(secrets), folder)
    _look_at_all(listener)
    return {
        "commands": "\n".join(listener.said).encode(),
        **worker,
    }


_EDIT = ("secret", "edit", "wrong", "--value-file", "-")
_GOOD = smtp_secret(587, USER, ECHOED)
_SEAL = ("secret", "create", "--tag", "a=b", "--value-file", "-")


def _create(home: Home, key: str, value: Mapping[str, object]) -> str:
    """Return the id of an action that uses a new secret."""
    mail = "password" in value
    secret = home.create_secret(key, "smtp" if mail else "aws-sqs", value)
    does = mail_action(secret) if mail else {"type": "queue-sqs", "sqs_secret": secret}
    return home.create("action", action(key, does, attempts=1))


def _worked(home: Home, triggers: int, folder: Path) -> Mapping[str, bytes]:
    """Let a worker do its work and abort it; return what it showed of itself."""
    nowhere = folder / "cores"
    nowhere.mkdir()
    limitless = 'ulimit -c unlimited; exec "$0" worker'
    shell = ["bash", "-c", limitless, str(KEYRELAY)]
    with command.running(shell, home.environment(), nowhere) as worker:
        worker.await_said('"event": "attempt settled"', triggers)
        shown = _shown_of(worker)
        worker.send(signal.SIGABRT)
        code = worker.end()
    assert code == -signal.SIGABRT
    assert [*nowhere.iterdir()] == [], "a core file was left"
    assert worker.count('"outcome": "delivered"') == 2
    return {"worker": "\n".join(worker.said).encode(), **shown}


def _shown_of(worker: Command) -> Mapping[str, bytes]:
    process = Path("/proc") / str(worker.process.pid)
    limits = (process / "limits").read_text().splitlines()
    (cores,) = [line.split() for line in limits if "core file" in line]
    assert cores[4:6] == ["0", "0"], "core files are not refused"
    return {name: _read(process / name) for name in ("cmdline", "environ")}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except PermissionError:  # not even its own user may, so nobody is shown it
        assert os.geteuid() != 0
        return b""


def _look_at_all(listener: Listener) -> None:
    nouns = ("secret", "action", "attempt", "dead-letter", "audit")
    together(
        [
            *(partial(listener.attempt, noun, "list", "--json") for noun in nouns),
            *(
                partial(listener.attempt, noun, "show", name)
                for noun, name in (
                    ("secret", "wrong"),
                    ("trigger", "echoes"),
                    ("dead-letter", "absent"),
                )
            ),
            partial(listener.attempt, "key", "status", "--check"),
        ]
    )


def _fail(listener: Listener) -> None:
    """Give values where they do not belong, to a sealed vault, to a broken store."""
    refused = together(
        [
            *(
                partial(listener.attempt, *_SEAL, *named, given=given)
                for named, given in MALFORMED
            ),
            *(
                partial(listener.attempt, noun, "create", "--file", "-", given=given)
                for noun, given in MISPLACED
            ),
            partial(listener.attempt, *_EDIT, given=ECHOED),
        ]
    )
    assert {ended.code for ended in refused} == {1}
    home = listener.home
    key = (home.path / "key").rename(home.path / "elsewhere")
    assert listener.attempt(*_SEAL, "--key", "sealed", given=TEXT).code == 3
    key.rename(home.path / "key")
    odd = Listener(home=home.under({"KEYRELAY_KEY": ECHOED}), said=listener.said)
    assert odd.attempt(*_SEAL, "--key", "odd", given=TEXT).code != 0
    with closing(sqlite3.connect(home.path / "keyrelay.db")) as database, database:
        database.execute("ALTER TABLE secrets RENAME COLUMN fifo TO lifo")
    assert listener.attempt(*_SEAL, "--key", "crashed", given=TEXT).code != 0
    assert listener.attempt(*_EDIT, given=json.dumps(_GOOD)).code != 0
