"""Home: an installation of its own, worked through the installed command alone."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.faults import command
from tests.faults.command import Command

KEYRELAY = Path(sys.executable).parent / "keyrelay"


class CommandFailed(Exception):
    """A command that must succeed did not; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """`settings` are the environment's, with their whole names."""

    path: Path
    settings: Mapping[str, str]

    def run(self, *arguments: str | Path) -> str:
        """Return what the command printed, or raise CommandFailed."""
        ended = subprocess.run(
            [KEYRELAY, *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            shown = " ".join(map(str, arguments))
            raise CommandFailed(f"keyrelay {shown}: {ended.stderr or ended.stdout}")
        return ended.stdout

    def read(self, *arguments: str | Path) -> object:
        return json.loads(self.run(*arguments, "--json"))

    def running(self, *arguments: str | Path) -> AbstractContextManager[Command]:
        return command.running([KEYRELAY, *arguments], self._environment())

    def create(self, noun: str, document: Mapping[str, object]) -> str:
        """Create an action or a policy, and return its id."""
        file = self._write(f"{noun}.json", document)
        return _id(self.read(noun, "create", "--file", file))

    def create_secret(self, key: str, type_: str, value: Mapping[str, object]) -> str:
        named = ["--key", key, "--type", type_, "--tag", "env=test"]
        file = self._write(f"{key}.value", value)
        return _id(self.read("secret", "create", *named, "--value-file", file))

    def _write(self, name: str, document: Mapping[str, object]) -> Path:
        file = self.path.parent / name
        file.touch(mode=0o600)
        file.write_text(json.dumps(document))
        return file

    def _environment(self) -> dict[str, str]:
        machine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("KEYRELAY_")
        }
        return machine | {"KEYRELAY_HOME": str(self.path), **self.settings}


def _id(document: object) -> str:
    match document:
        case {"id": str(id_)}:
            return id_
        case _:
            raise CommandFailed(f"expected an id, not {document}")
