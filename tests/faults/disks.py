"""Disks: folders that can be made to take nothing more, and to recover."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SIZE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """While the block of `full` lasts, no process or the one named can write."""

    folder: Path
    full: Callable[[int], AbstractContextManager[None]]


@contextmanager
def limited(folder: Path) -> Iterator[Disk]:
    """Any disk, whose files the kernel keeps the process from writing (EFBIG)."""
    folder.mkdir()
    yield Disk(folder=folder, full=_forbidden)


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """A small disk of its own, which somebody else fills to the brim (ENOSPC)."""
    folder.mkdir()
    options = f"size={_SIZE},mode=0700"
    _mount("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield Disk(folder=folder, full=lambda _: _filled(folder / "ballast"))
    finally:
        _mount("umount", "--lazy", str(folder))


def can_mount(folder: Path) -> bool:
    """Whether this user on this machine may, which in containers even root may not."""
    try:
        with mounted(folder):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def _forbidden(process: int) -> Iterator[None]:
    _, hardest = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (0, hardest))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it has ended
            resource.prlimit(process, resource.RLIMIT_FSIZE, (hardest, hardest))


@contextmanager
def _filled(ballast: Path) -> Iterator[None]:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        os.fsync(file.fileno())
    try:
        yield
    finally:
        ballast.unlink()


def _mount(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
