"""API and workers apart: runs of published triggers, of requests and of schedules."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.definitions import EVERYTHING
from tests.e2e.mails import mail_action, smtp_secret
from tests.installed.api import Api, answering
from tests.installed.home import Home
from tests.installed.hosting import Analysis, hosting_apart, new_analysis, result
from tests.installed.tampering import tamper
from tests.sdk.client import running
from tests.sdk.conftest import NewParts, home_on
from tests.sdk.hosted_place import Prepared, prepared
from tests.services import deadline
from tests.sinks import smtp
from tests.sinks.smtp import SmtpSink

WITHIN = timedelta(seconds=60)
POINT = {"variable": "temperature", "value": 9, "device": "door-17"}
VARIABLES = [{"key": "zone", "value": "cold"}, {"key": "limit", "value": 8}]
# What of an environment is no secret is told in the order in which it came.
SCRIPT = """\
import json, sys
from tagoio_sdk import Analysis
from tagoio_sdk.common.tagoio_module import TagoIOModule
from tagoio_sdk.modules.Utils.envToJson import envToJson


def main(context, scope):
    environment = envToJson(context.environment)
    context.log("keys", json.dumps([each["key"] for each in context.environment]))
    for number in range(20):
        context.log("line", number)
    told = [environment[key] for key in ("limit", "zone")]
    context.log("told", json.dumps(told), scope[0]["variable"], scope[0]["value"])
    context.log("by", environment.get("_action_id"), environment.get("_device_id"))
    sent = TagoIOModule({"token": context.token}).doRequest({
        "path": "/analysis/services/email-smtp/send",
        "method": "POST",
        "body": {
            "to": "ada@example.com",
            "subject": "too warm",
            "message": "9 degrees",
            "smtp_secret": environment["mail"],
        },
    })
    context.log("sent", sent)


PARAMETERS
"""
HOSTED = SCRIPT.replace("PARAMETERS", "Analysis.use(main)")
EXTERNAL = SCRIPT.replace(
    "PARAMETERS", 'Analysis.use(analysis=main, params={"token": sys.argv[1]})'
)
# In the past, and a day apart: each is due once.
LONG_AGO = "2026-01-01 00:00:00.000000"
A_DAY = "every 86400 s"
EACH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`api` hosts nothing, and `other` is one more process of it."""

    home: Home
    api: Api
    other: Api
    mails: SmtpSink

    def publish(self, action: str) -> None:
        """Publish a trigger as a producer does, not by way of the API."""
        trigger = json.dumps({"action": action, "data": [POINT]})
        self.home.run("trigger", "publish", "--file", "-", given=trigger)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    new_parts: NewParts,
) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("apart")
    with prepared(folder, request, new_parts(), ["python"]) as place:
        yield place


@pytest.fixture(scope="module")
def place(made: Prepared) -> Iterator[Place]:
    with hosting_apart(made.home) as api, answering(made.home) as other:
        api = made.furnish(api)
        other = other.with_token(api.token)
        yield Place(home=made.home, api=api, other=other, mails=made.mails)


def performing(place: Place, analysis: Analysis) -> str:
    """Make an action that runs it, and return its id."""
    does = {"type": "script", "script": [analysis.id]}
    return place.home.create("action", {"name": analysis.id, "action": does})


def ended(analysis: Analysis) -> None:
    """Return once its one run is over."""

    def runs() -> Sequence[object]:
        found = result(analysis.api.get(f"/analysis/{analysis.id}/runs"))["runs"]
        assert isinstance(found, list)
        return [each["id"] for each in found if each["state"] in {"done", "failed"}]

    assert deadline.met(lambda: len(runs()) == 1, WITHIN), analysis.console
    (run,) = runs()
    assert analysis.look(str(run))["state"] == "done", analysis.console


def lines_of(action: str | None) -> Sequence[str]:
    """Return the lines of one run, by that action if there is one."""
    fired = ["_action_id", "_action_type", "_action_state", "_device_id"]
    keys = ["mail", *(fired if action else []), "zone", "limit"]
    return [
        f"keys {json.dumps(keys)}",
        *[f"line {number}" for number in range(20)],
        'told [8, "cold"] temperature 9',
        f"by {action} {POINT['device'] if action else None}",
        "sent Successfully Sent",
    ]


def told(analysis: Analysis, expected: Sequence[str]) -> Sequence[str]:
    """Return what stands in its console, in that order, without what we say of it."""
    return [line for line in analysis.console if line in expected]


def test_a_published_trigger_has_its_analysis_run_by_a_worker(place: Place) -> None:
    analysis = new_analysis(place.api, HOSTED, variables=VARIABLES)
    action, before = performing(place, analysis), place.mails.ledger.count()

    place.publish(action)

    ended(analysis)
    assert told(analysis, lines_of(action)) == lines_of(action), analysis.console
    assert place.mails.ledger.count() == before + 1


def test_a_run_that_is_asked_for_at_the_api_is_performed_by_a_worker(
    place: Place,
) -> None:
    analysis = new_analysis(place.api, HOSTED, variables=VARIABLES)
    before = place.mails.ledger.count()

    ran = analysis.run([POINT])

    assert ran.state == "done", ran.console
    assert told(analysis, lines_of(None)) == lines_of(None), ran.console
    assert place.mails.ledger.count() == before + 1


@contextmanager
def listening(place: Place, analysis: Analysis, folder: Path) -> Iterator[None]:
    """Run its script elsewhere, as a listener of a process that was not asked."""
    script = folder / "script.py"
    script.write_text(EXTERNAL)
    path = f"/analysis/{analysis.id}/token"
    token = place.api.get(path).field("analysis_token")
    with running([sys.executable, "-u", script, token], place.other.url):
        yield


@pytest.mark.parametrize("origin", ["trigger", "request"])
def test_an_external_run_is_handed_out_by_another_process_of_the_api(
    place: Place, tmp_path: Path, origin: str
) -> None:
    analysis = new_analysis(place.api, variables=VARIABLES, run_on="external")
    action = performing(place, analysis) if origin == "trigger" else None
    before = place.mails.ledger.count()

    with listening(place, analysis, tmp_path):
        if action is None:
            analysis.ask([POINT])
        else:
            place.publish(action)
        ended(analysis)

        # Its lines may come after its end: nobody is told when a script there is over.
        expected = lines_of(action)
        assert deadline.met(lambda: told(analysis, expected) == expected, WITHIN), (
            analysis.console
        )
    assert place.mails.ledger.count() == before + 1


def make_due(home: Home, noun: str, id_: str) -> None:
    """Let a definition be due at once: as if its last due time were long ago."""
    tamper(
        home,
        "INSERT INTO schedules (profile, noun, id, times, since, last)"  # noqa: S608
        f" SELECT id, '{noun}', '{id_}', '{A_DAY}', '{LONG_AGO}', '{LONG_AGO}'"
        " FROM profiles WHERE name = 'default'",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is due by itself, once, and where its mails go."""

    home: Home
    actions: Sequence[str]
    analyses: Sequence[str]
    mails: SmtpSink

    def fired(self) -> list[str]:
        """Return the action or analysis of each attempt."""
        listed = self.home.read("attempt", "list", "--limit", "100")
        assert isinstance(listed, list)
        assert {each["outcome"] for each in listed} <= {"delivered"}, listed
        return [str(each["action"]) for each in listed]

    def runs(self) -> list[tuple[object, object]]:
        """Return state and origin of each run."""
        listed = [self.home.read("analysis", "runs", each) for each in self.analyses]
        found = [run for runs in listed if isinstance(runs, list) for run in runs]
        return [(run["state"], run["origin"]) for run in found]


@pytest.fixture
def due(
    tmp_path: Path,
    ca_file: Path,
    server_certificate: Path,
    new_parts: NewParts,
    bwrap: Path,
) -> Iterator[Due]:
    with smtp.running(tmp_path / "mails", certificate=server_certificate) as mails:
        at, account = mails.address, mails.address.account
        settings = {
            "KEYRELAY_SMTP_CA_FILE": str(ca_file),
            "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
            "KEYRELAY_SMTP_PORTS": str(at.port),
        }
        home = home_on(tmp_path / "home", {**new_parts(), **settings})
        value = smtp_secret(at.port, account.username, account.password)
        secret = home.create_secret("mail", "smtp", value)
        home.create("policy", EVERYTHING)
        actions = [due_action(home, n, mail_action(secret)) for n in range(EACH)]
        analyses = [due_analysis(home, n) for n in range(EACH)]
        yield Due(home=home, actions=actions, analyses=analyses, mails=mails)


def due_action(home: Home, number: int, does: object) -> str:
    times = {"type": "interval", "trigger": [{"interval": "1 day"}]}
    id_ = home.create("action", {"name": f"due {number}", "action": does, **times})
    make_due(home, "action", id_)
    return id_


def due_analysis(home: Home, number: int) -> str:
    named = {"name": f"due {number}", "runtime": "python-rt2025"}
    id_ = home.create("analysis", {**named, "interval": "1 day"})
    script = home.path.parent / "due.py"
    script.write_text("print('due')")
    home.run("analysis", "upload", id_, script)
    make_due(home, "analysis", id_)
    return id_


def test_what_is_due_happens_once_however_many_workers_there_are(due: Due) -> None:
    expected = sorted([*due.actions, *due.analyses])
    with hosting_apart(due.home, workers=2):
        assert deadline.met(lambda: len(due.fired()) >= len(expected), WITHIN)
    due.home.run("worker", "--drain")

    assert sorted(due.fired()) == expected
    assert due.runs() == [("done", "schedule")] * EACH
    assert due.mails.ledger.count() == EACH
