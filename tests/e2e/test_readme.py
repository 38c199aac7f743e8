"""The README, followed to the letter: its commands are the ones that are run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.contract.script.registry import Registry, serving
from tests.e2e import readme
from tests.e2e.mails import caught
from tests.e2e.queues import create_queue
from tests.e2e.terminal import sitting_at
from tests.installed import command
from tests.installed.api import answering
from tests.installed.forking import KEYRELAY
from tests.installed.home import Home
from tests.installed.together import together
from tests.services import debian
from tests.services.localstack import LocalStack
from tests.services.mailhog import MailHog

SQS_ENDPOINTS = "KEYRELAY_SQS_ENDPOINTS"
PROGRAMS = "Use it from your program"
ANALYSIS = "Your first analysis"
PASSWORD = "correct horse/battery+staple"


# There is nothing to replace, nothing was altered, and an API has no end of its own.
NOT_TYPED = (
    *("keyrelay secret edit", "keyrelay definitions accept --all", "keyrelay api"),
    *(f"keyrelay trigger {act}" for act in ("hold", "release", "cancel", "retry")),
)


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

    def with_settings(self, settings: Mapping[str, str]) -> "Newcomer":
        return replace(self, home=self.home.under(settings))

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
    """With the settings for servers on this machine, with the port of ours."""
    desk = tmp_path / "desk"
    desk.mkdir()
    shutil.copy(ca_file, desk / "ca.pem")
    settings = readme.exports("Try it with servers on this machine")
    assert len(settings) == 4
    typed = json.dumps(settings).replace("$PWD", str(desk))
    settings = json.loads(typed.replace('"1025"', f'"{mailhog.smtp_port}"'))
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


def test_a_newcomer_who_follows_the_readme_gets_a_message_on_a_queue(
    newcomer: Newcomer, localstack: LocalStack
) -> None:
    queue = create_queue(localstack, "orders")
    written = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
    assert SQS_ENDPOINTS in newcomer.home.settings
    settings = {**newcomer.home.settings, SQS_ENDPOINTS: localstack.endpoint}
    home = replace(newcomer.home, settings=settings)
    newcomer = replace(newcomer, home=home, ids={written: queue.url})
    newcomer.types("keyrelay init")
    for typed in readme.commands("Send a mail"):
        if "cold-chain.json" in typed:  # the policy
            newcomer.types(typed)
    to_queue = readme.commands("Put messages on a queue")

    value, create_secret, *rest = to_queue
    newcomer.types(value)
    id_ = newcomer.types(create_secret)
    newcomer = replace(newcomer, ids={"6745d2…": id_})
    for typed in rest:
        newcomer.types(typed)
    newcomer.types("keyrelay worker --drain")

    (message,) = queue.messages(1)
    assert json.loads(message["Body"]) == [{"variable": "temperature", "value": 9.5}]


def test_a_newcomer_s_programs_use_the_api(
    newcomer: Newcomer, javascript_sdk: Path
) -> None:
    action = _action_to_a_queue(newcomer)
    token, place, *asked = readme.commands(PROGRAMS)
    (newcomer.desk / "program.py").write_text(readme.program(PROGRAMS, "python"))
    (newcomer.desk / "program.mjs").write_text(readme.program(PROGRAMS, "js"))
    (newcomer.desk / "node_modules").symlink_to(javascript_sdk / "node_modules")
    with answering(newcomer.home, "up") as api:
        told = newcomer.types(f"{token}\necho $TOKEN")
        ids = {token: f"export TOKEN={told}", "http://127.0.0.1:8473": api.url}
        programmer = replace(newcomer, ids={**ids, "6745d3…": action})
        typed = [*asked, f"{sys.executable} program.py", "node program.mjs"]

        answers = [programmer.types(f"{token}\n{place}\n{each}") for each in typed]

    listed, published = (json.loads(answer) for answer in answers[:2])
    in_python, in_javascript = answers[2:]
    assert listed["result"] == [{"id": action, "name": "cold room needs an engineer"}]
    assert published["result"][0]["state"] == "accepted"
    assert "'key': 'pager'" in in_python
    assert "a text" not in in_python
    assert action in in_javascript


@pytest.fixture
def registry(python_sdk: Path, javascript_sdk: Path) -> Iterator[Registry]:
    """Where packages come from, with TagoIO's clients."""
    with serving() as registry:
        registry.add_wheels(python_sdk)
        registry.add_modules(javascript_sdk / "node_modules")
        yield registry


def test_a_newcomer_s_first_analysis_has_its_secret_in_both_languages(
    newcomer: Newcomer, registry: Registry, bwrap: Path
) -> None:
    debian.install("npm", package="npm")
    newcomer = newcomer.with_settings({**registry.variables, "NO_PROXY": "*"})
    newcomer.types("keyrelay init")
    (newcomer.desk / "watch.py").write_text(readme.program(ANALYSIS, "python"))
    (newcomer.desk / "watch.mjs").write_text(readme.program(ANALYSIS, "js"))
    *preparing, create_secret = readme.commands(ANALYSIS)[:4]
    value = re.findall(r"here it is: (.+)\)", readme.section(ANALYSIS))[0]

    for each in preparing:
        newcomer.types(each)
    newcomer.answers(create_secret, {"value": value})
    with answering(newcomer.home, "up"):
        printed = [newcomer.types(each) for each in readme.commands(ANALYSIS)[4:]]
        for each in readme.in_line(ANALYSIS, "keyrelay a"):  # audit, analysis
            newcomer.types(each)

    *_, in_python, _, in_javascript = printed
    assert any(each.startswith("allowed: ") for each in printed)
    for lines in (in_python, in_javascript):
        assert "1 of 2 are too warm" in lines
        assert f"the key has {len(value)} characters: ***" in lines
        assert "The script ended well." in lines


def _action_to_a_queue(newcomer: Newcomer) -> str:
    value, create_secret, *rest = readme.commands("Put messages on a queue")
    newcomer.types("keyrelay init")
    newcomer.types(value)
    secret = newcomer.types(create_secret)
    order, create_action, _ = rest
    replace(newcomer, ids={"6745d2…": secret}).types(order)
    return newcomer.types(create_action)


def test_the_json_of_each_type_of_secret_stands_there(newcomer: Newcomer) -> None:
    (mail,) = readme.documents("Send a mail")
    queue, *_ = readme.commands("Put messages on a queue")
    newcomer.types("keyrelay init")
    newcomer.types(queue.replace("orders.json", "aws-sqs"))
    port = newcomer.home.settings["KEYRELAY_SMTP_PORTS"]
    (newcomer.desk / "smtp").write_text(mail.replace("587", port))
    types = json.loads(newcomer.types("keyrelay secret types --json"))

    for type_ in types:
        given = f"--type {type_} --value-file {type_} --tag a=b"
        newcomer.types(f"keyrelay secret create --key {type_} {given}")

    assert types.keys() == {"smtp", "aws-sqs"}


def _see_that_what_watches_works(newcomer: Newcomer, trigger: str) -> None:
    listed = newcomer.home.read("attempt", "list")
    assert isinstance(listed, list)
    ids = {"trigger": trigger, "attempt": listed[0]["id"], "secret": "office-mail"}
    asked = [
        re.sub(r"\b(ID|SECRET)\b", ids.get(typed.split()[1], ""), typed)
        for typed in readme.in_line("Watch it", "keyrelay ")
        if typed not in NOT_TYPED
    ]
    together(partial(newcomer.types, typed) for typed in asked)


def _see_that_many_triggers_are_accepted(newcomer: Newcomer) -> None:
    (typed,) = readme.commands("Many triggers at once")
    trigger = readme.json_lines("Many triggers at once")
    (listed,) = json.loads(newcomer.types("keyrelay action list --json"))
    trigger = re.sub(r"\w+…", listed["id"], trigger)
    (newcomer.desk / "triggers.jsonl").write_text(trigger)

    assert newcomer.types(typed) == json.loads(trigger)["id"]
