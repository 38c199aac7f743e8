"""Preparing: one runtime is made inside a sandbox, from an empty environment.

The installer runs as a script does, with the network of the machine: it sees neither
our environment nor our files, and can write one directory, which is in use only once
it is whole. Nothing that a package brings is run.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import resources
from typing import NoReturn

from keyrelay.dispatchers.script.ending import Exited, RunEnding, sentence
from keyrelay.dispatchers.script.interpreter import Language, python
from keyrelay.dispatchers.script.limits import (
    MIB,
    FileLimits,
    OutputLimits,
    ScriptLimits,
)
from keyrelay.dispatchers.script.process import ScriptHost, run_script
from keyrelay.dispatchers.script.run import HostedRun
from keyrelay.dispatchers.script.sandbox import ScriptNetwork
from keyrelay.dispatchers.script.wall import NoWall, Wall, find_wall
from keyrelay.model.audit_document import printable
from keyrelay.services.runtimes.fitting import fits
from keyrelay.services.runtimes.installer import (
    Installer,
    InstallerRun,
    Staging,
    certificates,
    way_to_registries,
)
from keyrelay.services.runtimes.npm_installer import NpmInstaller
from keyrelay.services.runtimes.pip_installer import PipInstaller
from keyrelay.services.runtimes.prepared import (
    Contents,
    PreparedRuntime,
    PreparedRuntimes,
)
from keyrelay.services.runtimes.wanted import NotPrepared

_PACKAGE = "keyrelay.services.runtimes"
_LIMITS = ScriptLimits(
    wall=timedelta(minutes=15),
    cpu=timedelta(minutes=15),
    memory=1024 * MIB,
    output=OutputLimits(size=16 * MIB, lines=100_000),
    files=FileLimits(size=1024 * MIB),
)
_LONGEST_REASON = 300
# A user name and a password in an address.
_LOGIN = re.compile(r"//[^/@\s]+@")
_UNREACHED = re.compile("Retrying|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimePreparing:
    """Prepares runtimes; `variables` is the environment that we have ourselves."""

    runtimes: PreparedRuntimes
    variables: Mapping[str, str]
    now: Callable[[], datetime]

    async def prepare(
        self, language: Language, wanted: Sequence[str], told: Callable[[str], None]
    ) -> tuple[PreparedRuntime, bool]:
        """Return the runtime in use now, and whether it is another one than before.

        Each line that the installer prints is `told`. Raises NotPrepared, or OSError
        where the directory cannot be written; then what was in use still is.
        """
        installer = _installer(language)
        with self.runtimes.preparing() as folder:
            staging = Staging(folder)
            staging.work.mkdir()
            installation = installer.lay_out(staging, wanted)
            version = await self._install(installer, installation, staging, told)
            try:
                found = installer.finish(staging)
            except (OSError, ValueError, KeyError, TypeError):
                raise NotPrepared(
                    "what was installed cannot be told: the installer's own report"
                    " is not as it should be"
                ) from None
            contents = Contents(interpreter=version, packages=tuple(found))
            before = self.runtimes.current(language)
            if before is not None and _is_as_good(language, before, contents):
                return before, False
            kept = self.runtimes.keep(language, staging.made, contents, self.now())
        return kept, True

    async def _install(
        self,
        installer: Installer,
        installation: InstallerRun,
        staging: Staging,
        told: Callable[[str], None],
    ) -> str:
        """Run the installer; return the version of the interpreter."""
        lines: list[str] = []

        async def take(line: str) -> None:
            lines.append(line)
            told(line)

        run = self._run(installation, staging)
        host = ScriptHost(wall=_wall(run), network=ScriptNetwork.HOST, dial=_no_api)
        ending = await run_script(run, _LIMITS, host, take)
        if ending.end == Exited(0) and lines:
            return lines[0]
        raise NotPrepared(_reason(installer, ending, lines))

    def _run(self, installation: InstallerRun, staging: Staging) -> HostedRun:
        given = way_to_registries(self.variables)
        interpreter = installation.interpreter
        driver = resources.files(_PACKAGE).joinpath(installation.driver)
        return HostedRun(
            interpreter=replace(
                interpreter, trees=(*interpreter.trees, *certificates(given))
            ),
            file_name=installation.driver,
            content=driver.read_bytes(),
            environment={
                **given,
                **installation.environment,
                "KEYRELAY_INSTALL": json.dumps(installation.order),
                "HOME": str(staging.work),
                "TMPDIR": str(staging.work),
                "LANG": "C.UTF-8",
                # There is nothing that an installer may start.
                "PATH": "/nonexistent",
                "PYTHONUNBUFFERED": "1",
            },
            kept=staging.folder,
        )


def _is_as_good(
    language: Language, before: PreparedRuntime, contents: Contents
) -> bool:
    return before.contents == contents and fits(language, before)


def _installer(language: Language) -> Installer:
    return PipInstaller() if language is Language.PYTHON else NpmInstaller()


def _wall(run: HostedRun) -> Wall:
    """Return the wall around the installer, which writes as the user that we are."""
    try:
        found = find_wall(run.interpreter, launcher=python())
    except NoWall as fact:
        raise NotPrepared(f"a runtime is prepared inside a sandbox: {fact}") from None
    return replace(found, own_users=False)


async def _no_api() -> NoReturn:
    raise ConnectionRefusedError


def _reason(installer: Installer, ending: RunEnding, lines: Sequence[str]) -> str:
    """Return why nothing was installed, in the installer's own words if it has any."""
    said = [found[1] for line in lines if (found := installer.complaint.search(line))]
    reason = max(said, key=len, default=sentence(ending.end)).strip().rstrip(".")
    reason = printable(_LOGIN.sub("//…@", reason), _LONGEST_REASON)
    if any(_UNREACHED.search(line) for line in lines):
        reason += "; the registry could not be reached"
    return f"the packages were not installed: {reason}"
