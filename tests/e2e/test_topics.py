"""Topics: whoever sits at a terminal sees the plan, and is asked before it is done."""

import secrets
from pathlib import Path

import pytest

from tests.e2e.terminal import sitting_at
from tests.installed.forking import KEYRELAY
from tests.installed.home import Home
from tests.services.kafka import Kafka

COMMAND = ("topics", "create", "--replication", "1", "--partitions", "1")


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_topics_are_made_once_the_plan_was_agreed_to(
    kafka: Kafka, tmp_path: Path, answer: str, code: int
) -> None:
    topic = f"asked.{secrets.token_hex(4)}"
    url = f"kafka://{kafka.bootstrap}?topic={topic}"
    home = Home(path=tmp_path / "home", settings={"KEYRELAY_QUEUE": url})

    with sitting_at([KEYRELAY, *COMMAND], home.environment(), tmp_path) as terminal:
        terminal.answer("Create 8 topics and add partitions to 0? [y/N]", answer)
        assert terminal.end() == code, terminal.shown

    assert f"{topic}.dead" in terminal.shown.partition("Create 8 topics")[0]
    checked = home.attempt("topics", "check", *COMMAND[2:])
    assert checked.code == code
