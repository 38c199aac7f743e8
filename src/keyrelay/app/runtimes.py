"""Runtimes: which interpreters scripts would run with here, and behind which wall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyrelay.dispatchers.script.interpreter import Interpreter, Language, node, python
from keyrelay.dispatchers.script.wall import NoWall, find_wall


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFound:
    """`interpreter` is a path, `wall` what keeps a script away from all else.

    `refusal` says why scripts of the language cannot run here; None, they can.
    """

    language: Language
    interpreter: str | None
    wall: str | None
    refusal: str | None


def interpreters() -> Mapping[Language, Interpreter | None]:
    """Return what runs scripts of each language; None, there is nothing here."""
    return {Language.PYTHON: python(), Language.NODE: node()}


def runtimes_found() -> Sequence[RuntimeFound]:
    """Look for each interpreter, and try its wall, which takes a moment."""
    return [_found(*each) for each in interpreters().items()]


def _found(language: Language, interpreter: Interpreter | None) -> RuntimeFound:
    if interpreter is None:
        return RuntimeFound(
            language=language,
            interpreter=None,
            wall=None,
            refusal=f"there is no `{language}` in PATH; install it",
        )
    wall, refusal = None, None
    try:
        own_users = find_wall(interpreter, launcher=python()).own_users
    except NoWall as fact:
        refusal = str(fact)
    else:
        wall = f"bubblewrap{', each run as a user of its own' if own_users else ''}"
    return RuntimeFound(
        language=language,
        interpreter=str(interpreter.program),
        wall=wall,
        refusal=refusal,
    )
