"""Home: an installation of its own, worked through the installed command alone."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.installed import command
from tests.installed.command import Command
from tests.installed.forking import KEYRELAY, Ended, run_forked, run_started


class CommandFailed(Exception):
    """A command that must succeed did not; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """`settings` are the environment's, with their whole names."""

    path: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def attempt(self, *arguments: str | Path, given: str | None = None) -> Ended:
        """Run a command that may fail; `given` is what it can read."""
        # What the interpreter itself reads, it reads when it is started.
        is_started = any(name.startswith("PYTHON") for name in self.settings)
        run = run_started if is_started else run_forked
        return run([*map(str, arguments)], self.environment(), given)

    def run(self, *arguments: str | Path, given: str | None = None) -> str:
        """Return what the command printed, or raise CommandFailed."""
        ended = self.attempt(*arguments, given=given)
        if ended.code != 0:
            shown = " ".join(map(str, arguments))
            raise CommandFailed(f"keyrelay {shown}: {ended.err or ended.out}")
        return ended.out

    def read(self, *arguments: str | Path) -> object:
        return json.loads(self.run(*arguments, "--json"))

    def running(self, *arguments: str | Path) -> AbstractContextManager[Command]:
        return command.running([KEYRELAY, *arguments], self.environment())

    def create(self, noun: str, document: Mapping[str, object]) -> str:
        """Create an action or a policy, and return its id."""
        given = json.dumps(document)
        return self.run(noun, "create", "--file", "-", given=given).strip()

    def create_secret(
        self,
        key: str,
        type_: str,
        value: Mapping[str, object],
        *,
        tag: str = "env=test",
    ) -> str:
        """Create a secret, and return its id."""
        named = ["--key", key, "--type", type_, "--tag", tag, "--value-file", "-"]
        return self.run("secret", "create", *named, given=json.dumps(value)).strip()

    def copied(self, path: Path, settings: Mapping[str, str] | None = None) -> "Home":
        """Return one like it elsewhere, with some settings more."""
        shutil.copytree(self.path, path)
        return Home(path=path, settings={**self.settings, **(settings or {})})

    def under(self, settings: Mapping[str, str]) -> "Home":
        """Return the same home with some settings more."""
        return replace(self, settings={**self.settings, **settings})

    def environment(self) -> dict[str, str]:
        """Return what its commands run with: the machine's, and its settings alone."""
        machine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("KEYRELAY_")
        }
        return machine | {"KEYRELAY_HOME": str(self.path), **self.settings}
