"""Interpreter: what runs the scripts of one language, and what it needs to see."""

import os
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from keyrelay.dispatchers.script.limits import MIB, ScriptLimits

# Everything below is in each sandbox.
SYSTEM = Path("/usr")
# A thread of Python reserves addresses for its stack that it does not use.
_RESERVED = 128 * MIB


class Language(StrEnum):
    """What scripts are written in, as the launcher is told it."""

    PYTHON = "python"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """`trees` are the files and directories that it reads, beside the system's.

    `modules` is where scripts for Node find what they require.
    """

    language: Language
    program: Path
    trees: tuple[Path, ...] = ()
    modules: Path | None = None

    def command(self, limits: ScriptLimits) -> list[str]:
        """Return what the script's path is added to."""
        if self.language is Language.PYTHON:
            return [str(self.program)]
        # Node reserves gigabytes of addresses, so that its own limit has to do.
        heap = max(limits.memory * 3 // 4 // MIB, 1)
        return [str(self.program), f"--max-old-space-size={heap}"]

    def address_space(self, limits: ScriptLimits) -> dict[str, int]:
        """Return the limit of addresses of one process, by its name."""
        if self.language is Language.NODE:
            return {}
        return {"RLIMIT_AS": limits.memory + _RESERVED}


def python(environment: Path | None = None) -> Interpreter:
    """Return the interpreter that runs Keyrelay, or that of a virtual environment.

    A virtual environment has to be one of the same Python.
    """
    own = Path(os.path.realpath(sys.executable))
    needed = [own, Path(sys.base_prefix, "lib")]
    if environment is not None:
        needed.append(environment)
    return Interpreter(
        language=Language.PYTHON,
        program=own if environment is None else environment / "bin" / "python",
        trees=_beside_system(needed),
    )


def node(modules: Path | None = None) -> Interpreter | None:
    """Return the Node that is found in PATH, if there is one."""
    found = shutil.which("node")
    if found is None:
        return None
    program = Path(os.path.realpath(found))
    needed = [program] if modules is None else [program, modules]
    return Interpreter(
        language=Language.NODE,
        program=program,
        trees=_beside_system(needed),
        modules=modules,
    )


def _beside_system(needed: list[Path]) -> tuple[Path, ...]:
    return tuple(path for path in needed if not path.is_relative_to(SYSTEM))
