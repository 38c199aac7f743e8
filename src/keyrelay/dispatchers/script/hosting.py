"""Hosting: the stage of hosted runs, each behind the wall of this machine."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from keyrelay.dispatchers.script.ending import Exited, Lost, RunEnding
from keyrelay.dispatchers.script.environment import ScriptContext, environment_of
from keyrelay.dispatchers.script.interpreter import Interpreter, Language
from keyrelay.dispatchers.script.limits import ScriptLimits
from keyrelay.dispatchers.script.process import ScriptHost, run_script
from keyrelay.dispatchers.script.run import HostedRun
from keyrelay.model.analysis import ScriptedAnalysis
from keyrelay.model.outcome import (
    LEASE_LOST,
    RUN_LOST,
    Delivered,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
)
from keyrelay.model.release import HOSTED, ReleasedRun, RunPlace
from keyrelay.model.run import RunOrder, RunResult
from keyrelay.model.secret import SecretValue
from keyrelay.model.uploaded_script import Runtime, ScriptVersion, version_of
from keyrelay.ports import StillHeld

_LANGUAGES = {
    Runtime.PYTHON: Language.PYTHON,
    Runtime.PYTHON_LEGACY: Language.PYTHON,
    Runtime.NODE: Language.NODE,
    Runtime.NODE_LEGACY: Language.NODE,
}


class RunConsole(Protocol):
    """Where the lines of one run go; no value that it was given stands in them."""

    async def take(self, line: str) -> None: ...

    @property
    def last_lines(self) -> Sequence[str]: ...


OpenConsole = Callable[
    [RunOrder, Sequence[SecretValue]], AbstractAsyncContextManager[RunConsole]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What can run here: an interpreter and a host for each language that can.

    `refusals` say of the others why they cannot. `api` is where scripts reach our API.
    """

    interpreters: Mapping[Language, Interpreter]
    hosts: Mapping[Language, ScriptHost]
    refusals: Mapping[Language, str]
    limits: ScriptLimits
    api: str

    @property
    def runtimes(self) -> Collection[Runtime]:
        """Return what scripts can be written for, to run here."""
        return [each for each in Runtime if self.refusal(each) is None]

    def refusal(self, runtime: Runtime) -> str | None:
        """Say why scripts of that runtime cannot run here; None, they can."""
        language = _LANGUAGES.get(runtime)
        if language is None:
            return f"scripts for {runtime} are kept, and not run"
        return self.refusals.get(language)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedStage:
    """ports.RunStage of this machine.

    `content` returns what a version is, and None if it was altered; `token` returns the
    plaintext of a run's own token; `note` is told how a run ended; `until_lost` returns
    once a run on loan is lost, at which its script is killed.
    """

    hosts: Hosts
    content: Callable[[str, ScriptVersion], Awaitable[bytes | None]]
    token: Callable[[RunOrder], Awaitable[SecretValue]]
    console: OpenConsole
    note: Callable[[str, RunResult], None]
    until_lost: Callable[[str], Awaitable[object]]

    async def place(
        self, order: RunOrder, scripted: ScriptedAnalysis
    ) -> RunPlace | Rejected:
        if scripted.version is None:
            return _refused(f"analysis {scripted.analysis.name!r} has no script")
        version = version_of(scripted.versions, scripted.version)
        refusal = self.hosts.refusal(version.language)
        if refusal is not None:
            return Rejected(refusal, Fault.SYSTEM, why=ReasonClass.SCRIPT)
        # Known before any secret is released to the run.
        if await self.content(order.analysis, version) is None:
            return _altered(version)
        return HOSTED

    async def perform(
        self, run: ReleasedRun, _: RunPlace, still_held: StillHeld
    ) -> Outcome:
        order, scripted = run.order, run.scripted
        version = version_of(scripted.versions, scripted.version or 1)
        content = await self.content(order.analysis, version)
        if content is None:
            return _altered(version)
        token = await self.token(order)
        if not await still_held():
            return LEASE_LOST
        values = (token, *run.environment.values)
        async with self.console(order, values) as console:
            for sentence in run.environment.told:
                await console.take(sentence)
            ending = await self._run(run, version, content, token, console)
            await console.take(ending.sentence)
        if ending.end == Lost():
            return RUN_LOST
        self.note(order.id, _result_of(ending, console.last_lines))
        return _outcome_of(ending)

    async def _run(
        self,
        run: ReleasedRun,
        version: ScriptVersion,
        content: bytes,
        token: SecretValue,
        console: RunConsole,
    ) -> RunEnding:
        hosts, language = self.hosts, _LANGUAGES[version.language]
        interpreter, host = hosts.interpreters[language], hosts.hosts[language]
        context = ScriptContext(
            analysis=run.order.analysis,
            token=token.reveal(),
            pairs=run.environment.revealed(),
            scope=run.order.scope,
            api=hosts.api,
            events=f"{hosts.api}/events",
        )
        hosted = HostedRun(
            interpreter=interpreter,
            file_name=version.file_name,
            content=content,
            environment=environment_of(context, interpreter),
        )
        lost = partial(self.until_lost, run.order.id)
        return await run_script(hosted, hosts.limits, host, console.take, lost)


def _refused(reason: str) -> Rejected:
    return Rejected(reason, Fault.DEFINITION, why=ReasonClass.NO_DEFINITION)


def _altered(version: ScriptVersion) -> Rejected:
    return _refused(
        f"version {version.number} of its script was altered outside Keyrelay: upload"
        " the script again"
    )


def _outcome_of(ending: RunEnding) -> Outcome:
    if ending.end == Exited(0):
        return Delivered(ending.sentence)
    return Rejected(ending.sentence, Fault.DEFINITION, why=ReasonClass.SCRIPT)


def _result_of(ending: RunEnding, last_lines: Sequence[str]) -> RunResult:
    return RunResult(
        sentence=ending.sentence,
        exit_code=ending.exit_code,
        duration=ending.duration,
        peak_memory=ending.peak_memory,
        last_lines=tuple(last_lines),
    )
