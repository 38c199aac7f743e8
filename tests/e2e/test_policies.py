"""Policies: without one nothing is sent, and each refusal says why."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.definitions import (
    EVERYTHING,
    action,
    dead_letters,
    publish,
    trigger,
    trigger_of,
)
from tests.e2e.mails import mail_action, smtp_secret
from tests.installed.command import Command
from tests.installed.home import Home
from tests.installed.together import together
from tests.sinks import smtp
from tests.sinks.smtp import Address, SmtpSink

FORBIDDEN: Mapping[str, object] = {
    "name": "nobody else sends",
    "targets": [["action", "tag.key", "team", "tag.value", "south"]],
    "permissions": [
        {"effect": "deny", "action": ["access"], "resource": ["secrets"]},
    ],
}
NORTH_ONLY: Mapping[str, object] = {
    "name": "north sends its mail",
    "targets": [["action", "tag.key", "team", "tag.value", "north"]],
    "permissions": [
        {
            "effect": "allow",
            "action": ["access"],
            "resource": ["secrets", "tag_match", "team"],
        },
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A secret of team north, and an action of each team that refers to it."""

    home: Home
    secret: str
    north: str
    south: str

    def explained(self, action_: str) -> str:
        """Return why not, in the words of `policy explain`."""
        asked = ["--action", action_, "--secret", self.secret]
        ended = self.home.attempt("policy", "explain", *asked)
        assert ended.code == 1, ended.said
        first, *_ = ended.out.splitlines()
        return first.partition(": ")[2]


@pytest.fixture(scope="module")
def address() -> Address:
    return smtp.new_address()


@pytest.fixture(scope="module")
def furnished(
    original: Home, address: Address, tmp_path_factory: pytest.TempPathFactory
) -> Office:
    settings = {"KEYRELAY_SMTP_PORTS": str(address.port)}
    home = original.copied(tmp_path_factory.mktemp("office") / "home", settings)
    account = address.account
    value = smtp_secret(address.port, account.username, account.password)
    secret = home.create_secret("office-mail", "smtp", value, tag="team=north")
    does = mail_action(secret)
    north, south = together(
        partial(home.create, "action", action(team, does, tag=("team", team)))
        for team in ("north", "south")
    )
    return Office(home=home, secret=secret, north=north, south=south)


@pytest.fixture
def office(furnished: Office, tmp_path: Path) -> Office:
    """One with no policy in it."""
    home = furnished.home.copied(tmp_path / "home")
    return Office(
        home=home, secret=furnished.secret, north=furnished.north, south=furnished.south
    )


@pytest.fixture
def sink(
    tmp_path: Path, server_certificate: Path, address: Address
) -> Iterator[SmtpSink]:
    with smtp.running(
        tmp_path / "sink", certificate=server_certificate, address=address
    ) as running:
        yield running


def test_what_no_policy_allows_is_a_dead_letter_until_one_does(
    office: Office, sink: SmtpSink
) -> None:
    home = office.home
    home.create("policy", {**NORTH_ONLY, "active": False})
    publish(home, trigger("t1", office.north))

    home.run("worker", "--drain")
    letters, explained = dead_letters(home), office.explained("north")
    home.run("policy", "edit", "north sends its mail", "--active")
    redriven = home.run("dead-letter", "redrive", "t1")
    home.run("worker", "--drain")

    assert letters == {"t1": explained}
    assert "no policy lets action" in explained
    assert "the nearest: " in explained
    assert "north sends its mail" in explained
    assert redriven.strip() == "t1"
    assert [trigger_of(entry.name) for entry in sink.ledger.entries()] == ["t1"]


def test_a_deny_beside_an_allow_wins_and_is_named(
    office: Office, sink: SmtpSink
) -> None:
    home = office.home
    together(partial(home.create, "policy", each) for each in (EVERYTHING, FORBIDDEN))
    publish(home, trigger("south", office.south), trigger("north", office.north))

    home.run("worker", "--drain")
    letters, explained = dead_letters(home), office.explained("south")

    assert letters == {"south": explained}
    assert "nobody else sends" in explained
    assert "forbids" in explained
    assert [trigger_of(entry.name) for entry in sink.ledger.entries()] == ["north"]


def test_what_one_profile_allows_is_nothing_to_another(
    office: Office, sink: SmtpSink
) -> None:
    home = office.home
    home.run("init", "--profile", "elsewhere")
    stranger = home.under({"KEYRELAY_PROFILE": "elsewhere"})
    stranger.create("policy", EVERYTHING)
    theirs = action("theirs", mail_action(office.secret))
    publish(home, trigger("t1", office.north))
    publish(stranger, trigger("t2", office.north))

    refused = _refusal(stranger, theirs)
    home.run("worker", "--drain")

    ours, strangers = together([partial(dead_letters, at) for at in (home, stranger)])
    assert f"there is no secret {office.secret}" in refused
    assert stranger.read("action", "list") == []
    assert strangers == {"t2": f"there is no action {office.north}"}
    assert ours == {"t1": office.explained("north")}
    assert "none comes near it" in ours["t1"]
    assert sink.ledger.count() == 0


def test_a_policy_deleted_while_a_worker_runs_stops_triggers_within_a_second(
    office: Office, sink: SmtpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    home = office.home
    home.create("policy", NORTH_ONLY)

    with (
        home.running("worker") as worker,
        home.running("trigger", "publish", "--file", "-") as publisher,
    ):
        stream = Stream(publisher, office.north)
        stream.publish_until(lambda: sink.ledger.count() > 0)
        with home.running("policy", "delete", "north sends its mail") as deleting:
            stream.publish_until(lambda: deleting.process.poll() is not None)
        a_second_later = time.monotonic() + 1
        stream.publish_until(lambda: time.monotonic() > a_second_later)
        worker.await_said(f'"{stream.published[-1]}"')
        worker.send(signal.SIGTERM)
        worker.end()

    sent = {trigger_of(entry.name): entry.at for entry in sink.ledger.entries()}
    buried = dead_letters(home)
    latest = max(sent.values()) - _deleted_at(home)
    with capsys.disabled():
        print(f"\nthe last mail went {latest:.3f} s after its policy was deleted")
    assert latest < 1
    assert stream.published[-1] in buried
    assert sorted([*sent, *buried]) == sorted(stream.published)


@dataclass(slots=True)
class Stream:
    """Triggers published one after another, each once the one before is accepted."""

    publisher: Command
    action: str
    published: list[str] = field(default_factory=list)

    def publish_until(self, enough: Callable[[], bool]) -> None:
        """Publish until it is enough, and then one more."""
        while not enough():
            self._publish()
        self._publish()

    def _publish(self) -> None:
        id_ = f"t{len(self.published)}"
        self.publisher.tell(trigger(id_, self.action))
        self.published.append(id_)
        self.publisher.await_said("t", times=len(self.published))


def _deleted_at(home: Home) -> float:
    listed = home.read("audit", "list", "--kind", "change", "--limit", "1")
    assert isinstance(listed, list)
    (record,) = listed
    assert (record["noun"], record["change"]) == ("policy", "deleted")
    return datetime.fromisoformat(record["at"]).timestamp()


def _refusal(home: Home, document: Mapping[str, object]) -> str:
    given = json.dumps(document)
    created = home.attempt("action", "create", "--file", "-", given=given)
    assert created.code == 1
    return created.err
