"""Runtimes: which interpreters scripts run with here, and behind which wall."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from keyrelay.app.home import keep_private
from keyrelay.app.settings import Settings
from keyrelay.dispatchers.script.interpreter import Interpreter, Language, python
from keyrelay.dispatchers.script.wall import NoWall, find_wall
from keyrelay.services.runtimes.fitting import fits, interpreter_with
from keyrelay.services.runtimes.prepared import PreparedRuntime, PreparedRuntimes
from keyrelay.services.runtimes.preparing import RuntimePreparing


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFound:
    """`interpreter` is a path, `wall` what keeps a script away from all else.

    `refusal` says why scripts of the language cannot run here; None, they can.
    `prepared` is what they have beside the interpreter, and `remark` what they lack.
    """

    language: Language
    interpreter: str | None
    wall: str | None
    refusal: str | None
    prepared: PreparedRuntime | None
    remark: str | None

    @property
    def origin(self) -> str:
        """Return where the interpreter is from."""
        if self.language is Language.PYTHON:
            return "the Python that runs Keyrelay"
        return "the first in PATH"


def interpreters(settings: Settings) -> Mapping[Language, Interpreter]:
    """Return what scripts run with: what was prepared, or else a bare interpreter.

    A language whose interpreter is not here is left out. What is prepared again later
    is in use without asking again; what is prepared for a bare interpreter is not.
    """
    runtimes = _runtimes(settings)
    found = {each: interpreter_with(each, runtimes.current(each)) for each in Language}
    return {language: each for language, each in found.items() if each is not None}


def runtimes_found(settings: Settings) -> Sequence[RuntimeFound]:
    """Look for each interpreter, and try its wall, which takes a moment."""
    runtimes = _runtimes(settings)
    return [_found(each, runtimes.current(each)) for each in Language]


async def prepare_runtime(
    settings: Settings,
    language: Language,
    wanted: Sequence[str],
    told: Callable[[str], None],
) -> tuple[PreparedRuntime, bool]:
    """Prepare a runtime in the data directory, which needs no key and no database.

    Raises as RuntimePreparing does, and Unavailable.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_private(settings.home, settings.key_path)
    preparing = RuntimePreparing(
        runtimes=_runtimes(settings),
        variables=os.environ,
        now=lambda: datetime.now(UTC),
    )
    return await preparing.prepare(language, wanted, told)


def _runtimes(settings: Settings) -> PreparedRuntimes:
    return PreparedRuntimes(settings.home.absolute() / "runtimes")


def _found(language: Language, prepared: PreparedRuntime | None) -> RuntimeFound:
    interpreter = interpreter_with(language, prepared)
    if interpreter is None:
        return RuntimeFound(
            language=language,
            interpreter=None,
            wall=None,
            refusal=f"there is no `{language}` in PATH; install it",
            prepared=prepared,
            remark=None,
        )
    wall, refusal = _wall(interpreter)
    return RuntimeFound(
        language=language,
        interpreter=os.path.realpath(interpreter.program),
        wall=wall,
        refusal=refusal,
        prepared=prepared,
        remark=_remark(language, prepared),
    )


def _wall(interpreter: Interpreter) -> tuple[str | None, str | None]:
    """Return the wall, or why there is none."""
    try:
        own_users = find_wall(interpreter, launcher=python()).own_users
    except NoWall as fact:
        return None, str(fact)
    return f"bubblewrap{', each run as a user of its own' if own_users else ''}", None


def _remark(language: Language, prepared: PreparedRuntime | None) -> str | None:
    if prepared is None:
        return (
            "scripts run without TagoIO's SDK until"
            f" `keyrelay runtime prepare {language}`"
        )
    if not fits(language, prepared):
        return (
            "what was prepared is of another interpreter, and not in use until"
            f" `keyrelay runtime prepare {language}`"
        )
    return None
