"""Fitting: whether a prepared runtime is one of the interpreters that are here."""

import os
import sys
import sysconfig
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import Interpreter, Language, node, python
from keyrelay.services.runtimes.npm_installer import MODULES
from keyrelay.services.runtimes.prepared import PreparedRuntime


def fits(language: Language, prepared: PreparedRuntime) -> bool:
    """Say whether it can be used; it cannot once Keyrelay runs with another Python."""
    folder = prepared.folder
    if language is Language.NODE:
        return (folder / MODULES).is_dir()
    packages = sysconfig.get_path("purelib", "venv", vars={"base": str(folder)})
    linked, own = folder / "bin" / "python", os.path.realpath(sys.executable)
    return os.path.realpath(linked) == own and Path(packages).is_dir()


def interpreter_with(
    language: Language, prepared: PreparedRuntime | None
) -> Interpreter | None:
    """Return the interpreter with what was prepared for it, or else the bare one."""
    link = None
    if prepared is not None and fits(language, prepared):
        link = prepared.link
    if language is Language.PYTHON:
        return python(link)
    return node(None if link is None else link / MODULES)
