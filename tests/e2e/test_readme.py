"""The README, followed to the letter: its commands are the ones that are run."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import readme
from tests.e2e.mails import caught
from tests.e2e.terminal import sitting_at
from tests.installed import command
from tests.installed.home import KEYRELAY, Home
from tests.installed.together import together
from tests.services.mailhog import MailHog

PASSWORD = "correct horse/battery+staple"


# There is nothing to replace, and nothing was altered.
WITHOUT_OBJECT = ("keyrelay secret edit", "keyrelay definitions accept --all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Types what the README says, with `ids` for those that are printed there."""

    home: Home
    desk: Path
    ids: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        own = self.home.environment()
        return own | {"PATH": f"{KEYRELAY.parent}{os.pathsep}{own['PATH']}"}

    def shell(self, typed: str) -> list[str]:
        for printed, id_ in self.ids.items():
            typed = typed.replace(printed, id_)
        assert "…" not in typed, "the README shows an id that nobody has told"
        return ["bash", "-euc", typed]

    def types(self, typed: str) -> str:
        ended = subprocess.run(
            self.shell(typed),
            env=self.environment,
            cwd=self.desk,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{typed}: {ended.stderr}"
        return ended.stdout.strip()

    def answers(self, typed: str, answers: Mapping[str, str]) -> str:
        """Return what stands on the screen at the end."""
        at = sitting_at(self.shell(typed), self.environment, self.desk)
        with at as terminal:
            for question, answer in answers.items():
                terminal.answer(question, answer)
            assert terminal.end() == 0, terminal.shown
            return terminal.shown


@pytest.fixture
def newcomer(tmp_path: Path, mailhog: MailHog, ca_file: Path) -> Newcomer:
    desk = tmp_path / "desk"
    desk.mkdir()
    settings = {
        "KEYRELAY_SMTP_PORTS": str(mailhog.smtp_port),
        "KEYRELAY_SMTP_CA_FILE": str(ca_file),
        "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
    }
    home = Home(path=tmp_path / "home", settings=settings)
    return Newcomer(home=home, desk=desk, ids={})


def test_a_newcomer_who_follows_the_readme_gets_mail(
    newcomer: Newcomer, mailhog: MailHog
) -> None:
    for typed in readme.commands("Set it up"):
        if typed.startswith("keyrelay"):  # it is installed here
            newcomer.types(typed)
    create_secret, *rest, up = readme.commands("Send a mail")
    answers = {
        "smtp_server": "127.0.0.1",
        "smtp_port": str(mailhog.smtp_port),
        "username": "relay",
        "password": PASSWORD,
    }

    screen = newcomer.answers(create_secret, answers)
    newcomer = replace(newcomer, ids={"6745d1…": screen.split()[-1]})
    printed = [newcomer.types(typed) for typed in rest]
    at = command.running(newcomer.shell(up), newcomer.environment, newcomer.desk)
    with at as working:
        (mail,) = caught(mailhog, "alerts@example.com", 1)
        working.await_said('"outcome": "delivered"')

    *_, explanation, trigger = printed
    assert PASSWORD not in screen
    assert explanation.startswith("allowed: ")
    assert mail.recipients == {"ada@example.com", "ops@example.com"}
    assert mail.mail["Subject"] == "Cold room 2: 9.5 °C"
    assert mail.mail["From"] == "Cold chain <alerts@example.com>"
    _see_that_what_watches_works(newcomer, trigger)
    _see_that_many_triggers_are_accepted(newcomer)


def _see_that_what_watches_works(newcomer: Newcomer, trigger: str) -> None:
    listed = newcomer.home.read("attempt", "list")
    assert isinstance(listed, list)
    ids = {"trigger": trigger, "attempt": listed[0]["id"]}
    asked = [
        re.sub(r"\bID\b", ids.get(typed.split()[1], ""), typed)
        for typed in readme.in_line("Watch it", "keyrelay ")
        if typed not in WITHOUT_OBJECT
    ]
    together(partial(newcomer.types, typed) for typed in asked)


def _see_that_many_triggers_are_accepted(newcomer: Newcomer) -> None:
    (typed,) = readme.commands("Many triggers at once")
    trigger = readme.json_lines("Many triggers at once")
    (listed,) = json.loads(newcomer.types("keyrelay action list --json"))
    trigger = re.sub(r"\w+…", listed["id"], trigger)
    (newcomer.desk / "triggers.jsonl").write_text(trigger)

    assert newcomer.types(typed) == json.loads(trigger)["id"]
