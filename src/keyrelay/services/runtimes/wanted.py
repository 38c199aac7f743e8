"""Wanted: the packages that an operator asks for, as lines of a requirements file.

Only names that a registry knows are taken. A file, an address or an option could bring
something that has to be built, and building runs what the package says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from keyrelay.dispatchers.script.interpreter import Language

# TagoIO's SDKs, each with the oldest version that is served.
_SDK = {Language.PYTHON: "tagoio-sdk>=5.1.8", Language.NODE: "@tago-io/sdk@>=12.3.1"}

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\[ ?{_NAME}(?: ?, ?{_NAME})* ?\])?"
_VERSION = r"[A-Za-z0-9][A-Za-z0-9.*+!_-]*"
_RANGE = rf"(?:===|==|~=|!=|<=|>=|<|>) ?{_VERSION}"
# Without a word that begins as an option does.
_MARKER = r"(?: ?;(?:(?! -)[A-Za-z0-9_.'\"<>=!~() ,-])+)?"
_HASHES = r"(?: --hash=sha(?:256|384|512):[0-9a-f]+)*"
_BACKSLASH = "\\"
_PACKAGE = {
    Language.PYTHON: re.compile(rf"({_NAME}){_EXTRAS}(?:==({_VERSION}))?"),
    Language.NODE: re.compile(
        r"((?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*)"
        r"(?:==([0-9]+\.[0-9]+\.[0-9]+(?:[-+][A-Za-z0-9.+-]+)?))?"
    ),
}
_LINE = re.compile(
    rf"({_NAME}) ?{_EXTRAS} ?(?:{_RANGE}(?: ?, ?{_RANGE})*)?{_MARKER}{_HASHES}"
)


class NotPrepared(Exception):
    """A runtime is not made, and the one before stays; the message says why."""


def wanted_packages(
    language: Language, packages: Sequence[str], requirements: str | None = None
) -> Sequence[str]:
    """Return what to install: TagoIO's SDK, unless it is asked for, and what is.

    A package is `NAME` or `NAME==VERSION`, `requirements` the text of a file for pip.
    Raises NotPrepared.
    """
    asked = {
        name: line
        for each in packages
        for name, line in _package(language, each).items()
    }
    if requirements is not None:
        if language is not Language.PYTHON:
            raise NotPrepared("--requirements is for python; give --package for node")
        asked |= _from_file(requirements)
    sdk = _SDK[language]
    name = sdk.rpartition("@")[0] if language is Language.NODE else sdk.split(">=")[0]
    return [*asked.values()] if name in asked else [sdk, *asked.values()]


def _package(language: Language, asked: str) -> Mapping[str, str]:
    match = _PACKAGE[language].fullmatch(asked)
    if match is None:
        example = "requests==2.32.3" if language is Language.PYTHON else "luxon==3.5.0"
        raise NotPrepared(
            f"--package takes the name of a package, with or without a version, such as"
            f" {example}"
        )
    name, version = match.groups()
    if language is Language.PYTHON:
        return {_normalised(name): asked}
    return {name: name if version is None else f"{name}@{version}"}


def _from_file(text: str) -> Mapping[str, str]:
    found = {}
    for number, line in _joined(text):
        match = _LINE.fullmatch(line)
        if match is None:
            # Not quoted: an option can hold the password of a registry.
            raise NotPrepared(
                f"line {number} of the requirements is not taken: a line is a name with"
                " versions, markers and hashes, and no option, file or address"
            )
        found[_normalised(match[1])] = line
    return found


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, as pip joins them, by number."""
    pending = ""
    for number, line in enumerate(text.splitlines(), start=1):
        told = re.sub(r"(^|\s)#.*$", "", line)
        pending = f"{pending} {told.rstrip(_BACKSLASH)}"
        if told.endswith(_BACKSLASH):
            continue
        if pending.strip():
            yield number, " ".join(pending.split())
        pending = ""
    if pending.strip():
        yield len(text.splitlines()), " ".join(pending.split())


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
