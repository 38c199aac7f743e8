"""The demo's checks: a check that cannot fail would be worth nothing."""

import asyncio
import base64
import io
import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest
from rich.console import Console

from keyrelay.demo import checks, definitions
from keyrelay.demo.checks import Check, Results
from keyrelay.demo.definitions import ARRIVING, DEAD_LETTERS, IDS, MAIL_POLICY
from keyrelay.demo.output import Output
from keyrelay.demo.receivers import Catcher
from keyrelay.demo.shell import Shell, UnexpectedAnswer
from keyrelay.demo.steps import Demo, run_a_script
from tests.e2e.cli.command import Keyrelay

VALUE = "hunter2/hunter2/hunter2"
DENIED, REFUSED = "no policy permits it", "the server answered RCPT with 550 5.1.1"
SHOWN = '12:00Z  given: [{"key": "mail", "value": "hunter2"}]'
MASKED = [SHOWN.replace("hunter2", "***"), "12:00Z  The script ended well."]
WHOLE = ["12 records in 3 chains, nothing is missing"]


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def output(screen: io.StringIO) -> Output:
    return Output(Console(file=screen, width=60))


def results(
    *,
    mailed: str = "a",
    queued: str = "b",
    buried: Sequence[str] = ("c",),
    repeated: str = "",
    reasons: Sequence[str] = (),
) -> Results:
    """Return what became of the triggers; one letter is one id."""
    numbered = {str(number): reason for number, reason in enumerate(reasons)}
    return Results(
        mailed=Counter(mailed),
        queued=Counter(queued),
        buried=numbered or dict.fromkeys(buried, "rejected"),
        repeated=set(repeated),
    )


LETTERS = [DENIED] * DEAD_LETTERS[0] + [REFUSED] * DEAD_LETTERS[1]


@pytest.mark.parametrize(
    ("holding", "failing"),
    [
        (checks.all_accepted(IDS), checks.all_accepted(IDS[1:])),
        (checks.all_accepted(IDS), checks.all_accepted([*IDS[1:], "demo-002"])),
        (checks.killed(-signal.SIGKILL, 20, 20), checks.killed(0, 20, 20)),
        (checks.killed(-signal.SIGKILL, 20, 20), checks.killed(-9, 46, ARRIVING - 46)),
        (
            checks.queue_is_empty("9 delivered, 0 buried, 0 to be tried again later"),
            checks.queue_is_empty("9 delivered, 0 buried, 10 to be tried again later"),
        ),
        (
            checks.repeats_are_recorded(results(mailed="aa", repeated="a")),
            checks.repeats_are_recorded(results(mailed="aa", repeated="b")),
        ),
        (
            checks.repeats_are_recorded(results()),
            checks.repeats_are_recorded(results(queued="bb")),
        ),
        (
            checks.denial_is_explained([f"denied (no-policy): {MAIL_POLICY}"]),
            checks.denial_is_explained(["denied (no-policy): none comes near it"]),
        ),
        (
            checks.denial_is_explained([f"denied (no-policy): {MAIL_POLICY}"]),
            checks.denial_is_explained([f"allowed: {MAIL_POLICY}"]),
        ),
        (
            checks.dead_letters_have_reasons(results(reasons=LETTERS)),
            checks.dead_letters_have_reasons(results(reasons=LETTERS[1:])),
        ),
        (
            checks.dead_letters_have_reasons(results(reasons=LETTERS)),
            checks.dead_letters_have_reasons(results(reasons=LETTERS[:-1])),
        ),
        (checks.secret_is_masked(MASKED), checks.secret_is_masked(MASKED[1:])),
        (checks.secret_is_masked(MASKED), checks.secret_is_masked([SHOWN])),
        (checks.trail_is_whole(WHOLE, 11), checks.trail_is_whole(WHOLE, 12)),
        (
            checks.trail_is_whole(WHOLE, 11),
            checks.trail_is_whole(["keyrelay: the audit trail is broken"], 0),
        ),
        (
            checks.no_secret_is_found([], ["queue.db", "output"]),
            checks.no_secret_is_found(["worker.log"], ["queue.db", "output"]),
        ),
        (
            checks.no_secret_is_found([], ["queue.db", "output"]),
            checks.no_secret_is_found([], []),
        ),
    ],
    ids=[
        "an id is missing",
        "an id stands for another",
        "the worker ended by itself",
        "the worker was killed too late",
        "triggers wait",
        "the repeat of another is recorded",
        "a message arrived twice without a record of it",
        "no policy is named",
        "it was allowed",
        "one was not denied",
        "one was not refused",
        "the script was given nothing",
        "what it was given is shown",
        "a record fewer than attempts",
        "the trail is broken",
        "a secret is found",
        "the search finds nothing at all",
    ],
)
def test_each_check_holds_for_what_is_right_and_fails_for(
    holding: Check, failing: Check
) -> None:
    assert holding.holds
    assert not failing.holds


def test_nothing_is_lost_when_each_trigger_is_found_in_one_place() -> None:
    check = checks.nothing_is_lost(results(mailed="aa"), "abc")

    assert check == Check("nothing is lost: 1 + 1 + 1 = 3", holds=True)


@pytest.mark.parametrize(
    "found",
    [
        results(queued=""),
        results(mailed="", queued="bb"),
        results(buried="cb"),
        results(queued="bx"),
        results(mailed="x"),
    ],
    ids=["lost", "lost, another twice", "in two places", "one too many", "a stranger"],
)
def test_something_is_lost_when_a_trigger_is_found_nowhere_or_in_two_places(
    found: Results,
) -> None:
    assert not checks.nothing_is_lost(found, "abc").holds


def test_what_arrived_twice_is_named_in_order() -> None:
    assert results(mailed="aac", queued="bbb").twice() == ["a", "b"]


def test_mails_are_counted_by_their_message_id() -> None:
    mail = EmailMessage()
    mail["Message-ID"] = f"<demo-007.{'9' * 24}@rotterdam.example>"

    assert checks.mailed([mail, mail]) == {"demo-007": 2}


def test_messages_are_counted_by_their_pallet() -> None:
    ids = dict.fromkeys(map(definitions.action_of, range(1, 101)), "9" * 24)
    line = json.loads(definitions.trigger(2, ids))

    counted = checks.queued([json.dumps(line["data"]), '[{"value": "odd"}]'])

    assert counted == {line["id"]: 1, "odd": 1}


def test_every_trigger_is_for_one_of_the_four_actions() -> None:
    counts = Counter(map(definitions.action_of, range(1, len(IDS) + 1)))

    assert counts == {
        definitions.ALARM: 46,
        definitions.PALLET: 45,
        definitions.NEWSLETTER: DEAD_LETTERS[0],
        definitions.NIGHT_SHIFT: DEAD_LETTERS[1],
    }
    assert ARRIVING == 46 + 45


@pytest.mark.parametrize(
    "left",
    [VALUE, *(base64.b64encode(b"u" * n + VALUE.encode()).decode() for n in range(3))],
    ids=["plain", "in base64", "in base64, behind a byte", "in base64, behind two"],
)
def test_a_secret_value_is_found_in_files_and_in_what_was_printed(
    tmp_path: Path, left: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "queue.db").write_bytes(b"\0" + left.encode() + b"\0")
    (tmp_path / "worker.log").write_text("nothing of interest")

    found = checks.places_of([VALUE], tmp_path, ["fine", f"oh, {left}"])

    assert found == ["home/queue.db", "output"]


def test_where_no_secret_value_is_none_is_found(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("nothing of interest")

    assert checks.places_of([VALUE], tmp_path, ["fine"]) == []


def test_an_altered_record_fails_the_check_of_the_audit_trail(
    keyrelay: Keyrelay, output: Output, screen: io.StringIO
) -> None:
    shell = Shell(output=output, directory=keyrelay.home, environment=os.environ)
    before = asyncio.run(shell.run("audit verify", codes=(0, 4)))
    with closing(sqlite3.connect(keyrelay.home / "keyrelay.db")) as database:
        database.execute("UPDATE audit_records SET action = 'another'")
        database.commit()

    after = asyncio.run(shell.run("audit verify", codes=(0, 4)))
    output.check(checks.trail_is_whole(after, attempts=0))

    assert checks.trail_is_whole(before, attempts=0).holds
    assert "✗ the audit trail is whole" in screen.getvalue()
    assert output.failed == ["the audit trail is whole"]


def test_a_command_that_fails_breaks_the_demo_off_in_its_own_words(
    keyrelay: Keyrelay, output: Output
) -> None:
    shell = Shell(output=output, directory=keyrelay.home, environment=os.environ)

    with pytest.raises(UnexpectedAnswer, match="`keyrelay trigger show demo-001`: 1, "):
        asyncio.run(shell.run("trigger show demo-001"))


def test_a_check_that_did_not_hold_is_named_in_the_end(
    output: Output, screen: io.StringIO
) -> None:
    output.check(Check("this holds", holds=True))
    output.check(Check("this does not", holds=False))
    output.check(Check("this does not", holds=True))

    output.conclude()

    assert output.failed == ["this does not"]
    assert "Not every check held:\n    this does not\n" in screen.getvalue()
    assert "What you saw" not in screen.getvalue()


def test_without_a_wall_it_says_so_and_runs_no_script(
    output: Output, screen: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shell = Shell(output=output, directory=tmp_path, environment={})
    demo = Demo(output=output, shell=shell, catcher=Catcher(), queue=None)

    asyncio.run(run_a_script(demo))

    said = " ".join(screen.getvalue().split())
    assert "No script is run on this machine: hosted scripts need bubblewrap" in said
    assert output.failed == shell.printed == []


def test_what_holds_is_summed_up(output: Output, screen: io.StringIO) -> None:
    output.check(Check("this holds", holds=True))

    output.conclude()

    assert output.failed == []
    assert "What you saw:\n    A hundred triggers came in" in screen.getvalue()


def test_a_long_command_is_wrapped_so_that_it_can_be_typed(
    output: Output, screen: io.StringIO
) -> None:
    output.command(f"keyrelay policy explain --action 'a b' {'-' * 30}")

    assert screen.getvalue() == (
        "  $ keyrelay policy explain --action 'a b' \\\n"
        "      ------------------------------\n"
    )
