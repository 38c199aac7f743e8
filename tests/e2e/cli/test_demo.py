"""What the demo claims: a claim that could not fail would be worth nothing."""

import base64
import io
import json
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

import pytest
from rich.console import Console

from keyrelay.demo.cast import NUMBERS, Role, role, trigger, trigger_id
from keyrelay.demo.conclusion import conclude
from keyrelay.demo.ledger import Ledger, mailed, queued
from keyrelay.demo.stage import Count, Stage
from keyrelay.demo.traces import traces
from tests.samples import NOON

VALUE = "hunter2/hunter2"


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stage(screen: io.StringIO) -> Stage:
    return Stage(Console(file=screen, width=60))


def ledger(*, mailed: str = "a", queued: str = "b", buried: str = "c") -> Ledger:
    return Ledger(
        accepted=["a", "b", "c"],
        mailed=Counter(mailed),
        queued=Counter(queued),
        buried=list(buried),
    )


def test_a_ledger_balances_when_each_trigger_is_found_in_one_place() -> None:
    assert ledger().balances
    assert ledger().twice == []


@pytest.mark.parametrize(
    "book",
    [
        ledger(queued=""),
        ledger(mailed="", queued="bb"),
        ledger(buried="cb"),
        ledger(queued="bx"),
        ledger(mailed="x"),
    ],
    ids=["lost", "lost, another twice", "in two places", "one too many", "a stranger"],
)
def test_a_ledger_with_a_trigger_lost_or_in_two_places_does_not_balance(
    book: Ledger,
) -> None:
    assert not book.balances


def test_what_arrived_twice_is_named_and_not_counted_twice() -> None:
    book = ledger(mailed="aa", queued="bbb")

    assert book.twice == ["a", "b"]
    assert book.settled == 3


def test_mails_are_counted_by_their_message_id() -> None:
    mail = EmailMessage()
    mail["Message-ID"] = f"<demo-007.{'9' * 24}@rotterdam.example>"

    assert mailed([mail, mail]) == {"demo-007": 2}


def test_messages_are_counted_by_their_pallet() -> None:
    names = dict.fromkeys(Role, "9" * 24)
    bodies = [json.dumps(trigger(2, names, NOON)["data"]), '[{"value": "odd"}]']

    assert queued(bodies) == {trigger_id(2): 1, "unknown": 1}


def test_every_trigger_is_for_one_of_the_four_actions() -> None:
    assert Counter(map(role, NUMBERS)) == {
        Role.ALARM: 46,
        Role.PALLET: 45,
        Role.NEWSLETTER: 5,
        Role.NIGHT_SHIFT: 4,
    }


@pytest.mark.parametrize(
    "left",
    [VALUE, base64.b64encode(VALUE.encode()).decode()],
    ids=["plain", "in base64"],
)
def test_a_secret_value_is_found_in_files_and_in_what_was_said(
    tmp_path: Path, left: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "queue.db").write_bytes(b"\0" + left.encode() + b"\0")
    (tmp_path / "worker.log").write_text("nothing of interest")

    found = traces([VALUE], tmp_path, ["fine", f"oh, {left}"])

    assert found == ["home/queue.db", "output"]


def test_where_no_secret_value_is_none_is_found(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("nothing of interest")

    assert traces([VALUE], tmp_path, ["fine"]) == []


def test_a_check_that_did_not_hold_is_named_in_the_end(
    stage: Stage, screen: io.StringIO
) -> None:
    stage.check("this holds", holds=True)
    stage.check("this does not", holds=False)

    conclude(stage, 1, None)

    assert stage.failed == ["this does not"]
    assert "Not every check held:\n    this does not\n" in screen.getvalue()
    assert "What you saw" not in screen.getvalue()


def test_a_story_that_broke_off_does_not_conclude_well(
    stage: Stage, screen: io.StringIO
) -> None:
    conclude(stage, 1, "the local SQS did not start")

    assert "✗ the demo broke off: the local SQS did not start" in screen.getvalue()
    assert "What you saw" not in screen.getvalue()


def test_a_long_command_is_wrapped_so_that_it_can_be_typed(
    stage: Stage, screen: io.StringIO
) -> None:
    stage.command(["keyrelay", "policy", "explain", "--action", "a b", "-" * 30])

    assert screen.getvalue() == (
        "  $ keyrelay policy explain --action 'a b' \\\n"
        "      ------------------------------\n"
    )


def test_without_a_terminal_arrivals_are_a_line_now_and_then_and_one_at_the_end(
    stage: Stage, screen: io.StringIO
) -> None:
    with stage.counter() as show:
        for number in range(45):
            show([Count("mails", number, 50)])

    assert screen.getvalue() == "".join(f"    {n} mails\n" for n in (0, 20, 40, 44))


@pytest.mark.parametrize(("now", "words"), [(3, "3 for 4"), (5, "5 for 4")])
def test_on_a_terminal_arrivals_are_bars(
    screen: io.StringIO, now: int, words: str
) -> None:
    counts: Sequence[Count] = [Count("mails", now, 4)]

    with Stage(Console(file=screen, force_terminal=True)).counter() as show:
        show(counts)

    assert f"{words} triggers" in screen.getvalue()
