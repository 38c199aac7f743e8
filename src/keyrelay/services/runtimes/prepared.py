"""Prepared: the runtimes that lie in the data directory, and which one is in use.

    runtimes/python-20300131T120000000000Z/       a virtual environment
    runtimes/python-20300131T120000000000Z.json   what it was prepared with
    runtimes/current-python                       a link to the directory in use
    runtimes/lock                                 held while something is prepared
    runtimes/.preparing-…/                        what is not whole yet

A runtime is whole before the link leads to it, and nothing in it changes then. The one
before is kept, as runs may use it that have begun with it.
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import Language
from keyrelay.model.instant import wire_instant
from keyrelay.services.runtimes.wanted import NotPrepared

# What the record calls a package's digest.
DIGEST = {Language.PYTHON: "sha256", Language.NODE: "integrity"}
_UNFINISHED = ".preparing-"
_OURS = re.compile(
    rf"(?:{'|'.join(Language)})-[0-9TZ]+(?:\.json)?|{re.escape(_UNFINISHED)}.*"
)
_LARGEST_RECORD = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackage:
    """`digest` is of the archive that a registry gave out."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a runtime holds; `interpreter` is the version that it was made with."""

    interpreter: str
    packages: tuple[InstalledPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRuntime:
    """`replaces` is the name of the directory that was in use before.

    Runs go by `link`, which leads to the directory in use: a worker that looked once,
    when it started, has what was prepared since, and nothing of it is deleted.
    """

    folder: Path
    link: Path
    prepared_at: str
    replaces: str | None
    contents: Contents


@dataclass(frozen=True, slots=True)
class PreparedRuntimes:
    """The directory of all runtimes of an installation."""

    folder: Path

    def current(self, language: Language) -> PreparedRuntime | None:
        """Return the one in use, if there is one that is whole."""
        try:
            name = self._link(language).readlink().name
        except OSError:
            return None
        return self._read(language, name)

    @contextmanager
    def preparing(self) -> Iterator[Path]:
        """Hand out a directory of its own, which is gone once the block has ended.

        Raises NotPrepared if another process prepares a runtime.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(self.folder / "lock", flags, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NotPrepared(
                    "another process prepares a runtime; wait until it has ended"
                ) from None
            self._sweep()
            made = tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder)
            try:
                yield Path(made)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        finally:
            os.close(lock)

    def keep(
        self, language: Language, made: Path, contents: Contents, now: datetime
    ) -> PreparedRuntime:
        """Put what was made in use; in the block of `preparing` alone."""
        before = self.current(language)
        name = f"{language.value}-{now:%Y%m%dT%H%M%S%f}Z"
        record = {
            "language": language.value,
            "prepared_at": wire_instant(now),
            "replaces": None if before is None else before.folder.name,
            "interpreter": contents.interpreter,
            "packages": packages_document(language, contents.packages),
        }
        self._record(name).write_text(f"{json.dumps(record, indent=2)}\n")
        made.rename(self.folder / name)
        # All of it is on the disk before it is in use, also after a power cut.
        os.sync()
        unfinished = self.folder / f"{_UNFINISHED}link"
        unfinished.symlink_to(name)
        unfinished.replace(self._link(language))
        os.sync()
        self._sweep()
        kept = self.current(language)
        assert kept is not None
        return kept

    def _sweep(self) -> None:
        """Delete what nothing can use: all but each runtime in use and the one before.

        What a process has left that was killed goes, too.
        """
        used = set[str]()
        for language in Language:
            current = self.current(language)
            if current is not None:
                names = (current.folder.name, current.replaces)
                used |= {f"{name}{end}" for name in names for end in ("", ".json")}
        for path in self.folder.iterdir():
            if path.name in used or _OURS.fullmatch(path.name) is None:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _read(self, language: Language, name: str) -> PreparedRuntime | None:
        if re.fullmatch(rf"{language.value}-[0-9TZ]+", name) is None:
            return None
        try:
            found = json.loads(read_made(self._record(name)))
            packages = [
                InstalledPackage(
                    name=str(each["name"]),
                    version=str(each["version"]),
                    digest=str(each[DIGEST[language]]),
                )
                for each in found["packages"]
            ]
            return PreparedRuntime(
                folder=(self.folder / name).resolve(strict=True),
                link=self._link(language),
                prepared_at=str(found["prepared_at"]),
                replaces=found["replaces"],
                contents=Contents(
                    interpreter=str(found["interpreter"]), packages=tuple(packages)
                ),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _link(self, language: Language) -> Path:
        return self.folder / f"current-{language.value}"

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def packages_document(
    language: Language, packages: Sequence[InstalledPackage]
) -> list[Mapping[str, str]]:
    return [
        {"name": each.name, "version": each.version, DIGEST[language]: each.digest}
        for each in packages
    ]


def read_made(path: Path) -> bytes:
    """Return a file that a sandbox may have written, and no other that it links to."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_LARGEST_RECORD)
