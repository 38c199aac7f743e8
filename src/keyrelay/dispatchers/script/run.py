"""Run: what is run, and the order that the launcher inside the sandbox gets."""

import math
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import Interpreter
from keyrelay.dispatchers.script.launcher import LaunchOrder
from keyrelay.dispatchers.script.limits import ScriptLimits

_FILES = 256  # open at a time, in one process


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedRun:
    """A script, of a file or an archive, and all variables of its process.

    `kept` is a directory that it may write, and that stays; scripts have none.
    """

    interpreter: Interpreter
    file_name: str
    content: bytes = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    kept: Path | None = None


def order_of(run: HostedRun, limits: ScriptLimits) -> LaunchOrder:
    return {
        "command": run.interpreter.command(limits),
        "environment": dict(run.environment),
        "limits": _kernel_limits(limits) | run.interpreter.address_space(limits),
        "file_name": run.file_name,
        "content": b64encode(run.content).decode(),
        "language": run.interpreter.language.value,
    }


def _kernel_limits(limits: ScriptLimits) -> dict[str, int]:
    """Return the limits that the kernel puts on each process by itself."""
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": math.ceil(limits.cpu.total_seconds()),
        "RLIMIT_FSIZE": limits.files.size,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NOFILE": _FILES,
        # Of all that the same user runs in the sandbox; root's are not counted.
        "RLIMIT_NPROC": limits.processes,
    }
