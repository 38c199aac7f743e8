"""Environment: the variables of a script's process, made from nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keyrelay.dispatchers.script.interpreter import Interpreter
from keyrelay.dispatchers.script.sandbox import SCRATCH

# Bytes of `NAME=value` and the zero byte behind it: MAX_ARG_STRLEN of Linux.
LARGEST = 128 * 1024

_PATH = "/usr/local/bin:/usr/bin:/bin"
_WHAT = {
    "T_ANALYSIS_ENV": "the secrets and variables that it is given",
    "T_ANALYSIS_DATA": "the scope that it is given",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptContext:
    """What TagoIO's SDKs find out about the run from their environment.

    `pairs` are keys and values in the order in which the script sees them, and `scope`
    is JSON. `api` and `events` are addresses as they are inside the sandbox.
    """

    analysis: str
    token: str = field(repr=False)
    pairs: Sequence[tuple[str, str | int | float | bool]] = field(repr=False)
    scope: str = field(repr=False)
    api: str
    events: str


def environment_of(context: ScriptContext, interpreter: Interpreter) -> dict[str, str]:
    """Return all variables that the script's process has."""
    pairs = [{"key": key, "value": value} for key, value in context.pairs]
    variables = {
        "T_ANALYSIS_CONTEXT": "tago-io",
        "T_ANALYSIS_TOKEN": context.token,
        "T_ANALYSIS_ID": context.analysis,
        "T_ANALYSIS_ENV": json.dumps(pairs, ensure_ascii=False),
        "T_ANALYSIS_DATA": context.scope,
        "TAGOIO_API": context.api,
        "TAGOIO_SSE": context.events,
        "PATH": _PATH,
        "HOME": SCRATCH,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
    if interpreter.modules is not None:
        variables["NODE_PATH"] = str(interpreter.modules)
    return variables


def flaw_of(variables: Mapping[str, str]) -> str | None:
    """Say which variable no process of Linux can have; None, it can have them all."""
    for name, value in variables.items():
        size = len(f"{name}={value}\0".encode(errors="replace"))
        if size > LARGEST:
            what = _WHAT.get(name, "a part of its environment")
            return (
                f"{what} would have {size} bytes in the variable {name}, and Linux"
                f" takes {LARGEST}"
            )
    return None
