"""The stage of hosted runs: what a script is given, what is kept of it, how it ends."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from keyrelay.dispatchers.script.console import writing_console
from keyrelay.dispatchers.script.environment import LARGEST
from keyrelay.dispatchers.script.hosting import HostedStage, Hosts
from keyrelay.dispatchers.script.interpreter import Language
from keyrelay.dispatchers.script.limits import ScriptLimits
from keyrelay.dispatchers.script.wall import NoWall, find_wall
from keyrelay.dispatchers.scrub import MASK
from keyrelay.model.analysis import RunOn, Scalar, ScriptedAnalysis
from keyrelay.model.console import ConsoleLine
from keyrelay.model.outcome import (
    LEASE_LOST,
    RUN_LOST,
    Delivered,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
)
from keyrelay.model.release import HOSTED, ReleasedEnvironment, ReleasedRun
from keyrelay.model.run import RunCause, RunOrder, RunOrigin, RunResult
from keyrelay.model.secret import SecretValue
from keyrelay.model.uploaded_script import Runtime, ScriptDraft, ScriptVersion
from keyrelay.model.world import real_world
from tests.contract.script.hosting import ROOMY, SHORT, Site
from tests.samples import ANALYSIS, NOON, PROFILE
from tests.unit.engine.test_releasing import an_analysis

pytest_plugins = ["tests.contract.script.script_fixtures"]

CANARY = "canary/7e 1c&92+ä"
Pair = tuple[str, Scalar | SecretValue]
TOKEN = "a-own.token.of.this-run"
ORDER = RunOrder(
    id="9" * 24,
    profile=PROFILE,
    analysis=ANALYSIS,
    run_on=RunOn.HOSTED,
    cause=RunCause(
        origin=RunOrigin.REQUEST, asked_at=NOON, deadline=NOON + timedelta(hours=1)
    ),
    scope='[{"variable":"temperature","value":9,"unit":"°C"}]',
)
AROUND = len('T_ANALYSIS_ENV=[{"key": "k", "value": ""}]\0')  # a value
PRINTS_ALL = """\
import json, os
print(json.dumps(dict(os.environ)))
print(os.getcwd())
"""
# In base64 it stands at each of three places of something longer.
PRINTS_FORMS = """\
import base64, html, json, os, sys, urllib.parse
(pair,) = json.loads(os.environ["T_ANALYSIS_ENV"])
value = pair["value"]
raw = value.encode()
for before in (b"", b"x", b"xy"):
    print(base64.b64encode(before + raw + b"z").decode())
print(base64.urlsafe_b64encode(raw).decode())
print(urllib.parse.quote(value), urllib.parse.quote_plus(value))
print(json.dumps(value), json.dumps(value, ensure_ascii=False))
print(os.environ["T_ANALYSIS_ENV"])
print(repr(value))
sys.stdout.write("split: " + value[:7])
sys.stdout.flush()
sys.stdout.write(value[7:] + "\\n")
print(value[:9])
print(value[9:])
print(os.environ["T_ANALYSIS_TOKEN"], file=sys.stderr)
raise SystemExit("plain " + value)
"""


@dataclass
class Stage:
    """A stage over a real wall, and what it has told of its runs."""

    site: Site
    content: bytes | None = b""
    limits: ScriptLimits = ROOMY
    held: bool = True
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    kept: list[ConsoleLine] = field(default_factory=list)
    results: list[tuple[str, RunResult]] = field(default_factory=list)
    refusals: dict[Language, str] = field(default_factory=dict)

    async def perform(
        self, code: str, *pairs: Pair, scope: str = ORDER.scope
    ) -> Outcome:
        content = dedent(code).encode()
        self.content = content if self.content == b"" else self.content
        run = ReleasedRun(
            order=replace(ORDER, scope=scope),
            scripted=scripted(content),
            environment=ReleasedEnvironment(pairs=pairs, remarks=("told first",)),
        )
        return await self.stage().perform(run, HOSTED, self._still_held)

    def stage(self) -> HostedStage:
        hosts = Hosts(
            interpreters={Language.PYTHON: self.site.interpreter},
            hosts={Language.PYTHON: self.site.host()},
            refusals=self.refusals,
            limits=self.limits,
            api="http://localhost:8090/tools",
        )
        return HostedStage(
            hosts=hosts,
            content=self._content,
            token=a_token,
            console=lambda _, values: writing_console(values, self._keep, real_world()),
            note=lambda run, result: self.results.append((run, result)),
            until_lost=self._until_lost,
        )

    async def _content(self, analysis: str, _: ScriptVersion) -> bytes | None:
        assert analysis == ANALYSIS
        return self.content

    async def _keep(self, lines: Sequence[ConsoleLine]) -> None:
        self.kept.extend(lines)

    async def _still_held(self) -> bool:
        return self.held

    async def _until_lost(self, run: str) -> None:
        assert run == ORDER.id
        await self.lost.wait()

    @property
    def lines(self) -> list[str]:
        return [each.text for each in self.kept]

    @property
    def result(self) -> RunResult:
        ((run, result),) = self.results
        assert run == ORDER.id
        return result


async def a_token(_: RunOrder) -> SecretValue:
    return SecretValue(TOKEN)


def scripted(content: bytes, language: Runtime = Runtime.PYTHON) -> ScriptedAnalysis:
    draft = ScriptDraft(file_name="main.py", language=language, content=content)
    version = draft.as_version(1, datetime(2030, 1, 1, tzinfo=UTC))
    return ScriptedAnalysis(analysis=an_analysis(), versions=(version,), version=1)


@pytest.fixture
def stage(site: Site) -> Stage:
    return Stage(site)


async def test_a_script_has_the_variables_that_it_is_given_and_no_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRELAY_KEY", "the worker's own")
    monkeypatch.setenv("WORKERS_OWN", "the worker's own")
    pairs: list[Pair] = [
        ("b", SecretValue("x")),
        ("a", 2.5),
        ("c", False),
        ("d", "é\0"),
    ]

    outcome = await stage.perform(PRINTS_ALL, *pairs)

    assert isinstance(outcome, Delivered)
    given = json.loads(stage.lines[1].replace(MASK, TOKEN))
    assert json.loads(given.pop("T_ANALYSIS_ENV")) == [
        {"key": "b", "value": "x"},
        {"key": "a", "value": 2.5},
        {"key": "c", "value": False},
        {"key": "d", "value": "é\0"},
    ]
    # What Python itself adds under a locale of C is not ours.
    given.pop("LC_CTYPE", None)
    assert given == {
        "T_ANALYSIS_CONTEXT": "tago-io",
        "T_ANALYSIS_TOKEN": TOKEN,
        "T_ANALYSIS_ID": ANALYSIS,
        "T_ANALYSIS_DATA": ORDER.scope,
        "TAGOIO_API": "http://localhost:8090/tools",
        "TAGOIO_SSE": "http://localhost:8090/tools/events",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/scratch",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
    assert stage.lines[2] == "/scratch/script"


async def test_a_value_is_masked_in_each_form_in_the_console_and_the_last_lines(
    stage: Stage,
) -> None:
    await stage.perform(PRINTS_FORMS, ("password", SecretValue(CANARY)))

    told = "\n".join([*stage.lines, *stage.result.last_lines, stage.result.sentence])
    for secret in (CANARY, "canary", "7e 1c", "7e%201c", "7e+1c", "\\u00e4", TOKEN):
        assert secret not in told
    assert "".join(stage.lines).count(MASK) >= 12
    assert stage.lines[0] == "told first"
    assert "plain" in told


async def test_the_console_s_last_line_says_how_the_run_ended(stage: Stage) -> None:
    outcome = await stage.perform("print('one')\nprint('two')")

    assert isinstance(outcome, Delivered)
    assert stage.lines[:3] == ["told first", "one", "two"]
    assert stage.lines[3].startswith("The script ended well. (")
    assert outcome.receipt == stage.lines[3] == stage.result.sentence
    assert stage.result.last_lines == (*stage.lines,)
    assert stage.result.exit_code == 0
    assert stage.result.peak_memory is not None
    assert stage.result.duration is not None


@pytest.mark.parametrize(
    ("code", "said", "exit_code"),
    [
        ("raise SystemExit(3)", "The script ended with exit code 3.", 3),
        ("raise ValueError('cold')", "The script ended with exit code 1.", 1),
        (
            "import os\nos.kill(os.getpid(), 9)",
            "The script ended with exit code 137 (ended by SIGKILL).",
            137,
        ),
        (
            "import time\ntime.sleep(99)",
            "The script was killed: it ran for longer than 1 s.",
            None,
        ),
    ],
)
async def test_any_other_end_is_a_fault_of_the_script(
    stage: Stage, code: str, said: str, exit_code: int | None
) -> None:
    stage.limits = SHORT

    outcome = await stage.perform(code)

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith(said)
    assert (outcome.fault, outcome.why) == (Fault.DEFINITION, ReasonClass.SCRIPT)
    assert stage.lines[-1] == outcome.reason
    assert stage.result.exit_code == exit_code


async def test_an_altered_script_has_no_place_and_is_not_run(stage: Stage) -> None:
    stage.content = None

    place = await stage.stage().place(ORDER, scripted(b"print(1)"))
    outcome = await stage.perform("print(1)")

    assert place == outcome
    assert outcome == Rejected(
        "version 1 of its script was altered outside Keyrelay: upload the script again",
        Fault.DEFINITION,
        why=ReasonClass.NO_DEFINITION,
    )
    assert (stage.lines, stage.results) == ([], [])


async def test_once_the_lease_is_lost_nothing_is_run(stage: Stage) -> None:
    stage.held = False

    assert await stage.perform("print(1)") == LEASE_LOST
    assert (stage.lines, stage.results) == ([], [])


async def test_a_script_whose_run_is_lost_is_killed_and_no_result_is_noted(
    stage: Stage,
) -> None:
    stage.lost.set()

    outcome = await stage.perform("import time\ntime.sleep(99)")

    assert outcome == RUN_LOST
    assert stage.results == []
    assert stage.lines[-1].startswith(
        "The script was killed: this worker has lost the run, and another may be at"
        " work on it. ("
    )


async def test_an_environment_of_the_largest_size_is_given(stage: Stage) -> None:
    outcome = await stage.perform("print('well')", ("k", "x" * (LARGEST - AROUND)))

    assert isinstance(outcome, Delivered)
    assert "well" in stage.lines


@pytest.mark.parametrize("value", ["x" * LARGEST, "é" * (LARGEST // 2)])
async def test_secrets_and_variables_that_are_too_large_are_said_before_the_start(
    stage: Stage, value: str
) -> None:
    outcome = await stage.perform("print('started')", ("k", SecretValue(value)))

    assert isinstance(outcome, Rejected)
    assert outcome.reason == (
        "The script was not started: the secrets and variables that it is given would"
        f" have {LARGEST + AROUND} bytes in the variable T_ANALYSIS_ENV, and Linux"
        f" takes {LARGEST}."
    )
    assert stage.lines == ["told first", outcome.reason]
    assert outcome.fault is Fault.DEFINITION


async def test_a_scope_that_is_too_large_is_said_before_the_start(
    stage: Stage,
) -> None:
    outcome = await stage.perform("print('started')", scope="[" + " " * LARGEST + "]")

    assert isinstance(outcome, Rejected)
    assert "not started: the scope that it is given would have" in outcome.reason
    assert "the variable T_ANALYSIS_DATA" in outcome.reason
    assert stage.lines == ["told first", outcome.reason]


# Where it takes place


async def test_it_is_run_here_where_there_is_a_wall(stage: Stage) -> None:
    assert await stage.stage().place(ORDER, scripted(b"print(1)")) == HOSTED


async def test_without_a_wall_it_is_refused_in_a_sentence(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoWall) as raised:
        find_wall(stage.site.interpreter, stage.site.interpreter)
    stage.refusals = {Language.PYTHON: str(raised.value)}

    place = await stage.stage().place(ORDER, scripted(b"print(1)"))

    assert place == Rejected(
        "hosted scripts need bubblewrap, and there is no `bwrap` in PATH; install it"
        " (on Debian: apt-get install bubblewrap)",
        Fault.SYSTEM,
        why=ReasonClass.SCRIPT,
    )


async def test_an_analysis_without_a_script_is_refused(stage: Stage) -> None:
    empty = ScriptedAnalysis(analysis=an_analysis())

    place = await stage.stage().place(ORDER, empty)

    assert isinstance(place, Rejected)
    assert place.reason == "analysis 'cold rooms' has no script"


@pytest.mark.parametrize("language", [Runtime.DENO, Runtime.OTHER])
async def test_a_script_in_another_language_is_refused(
    stage: Stage, language: Runtime
) -> None:
    place = await stage.stage().place(ORDER, scripted(b"1", language))

    assert isinstance(place, Rejected)
    assert place.reason == f"scripts for {language} are kept, and not run"
