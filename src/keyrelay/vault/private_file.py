"""Private file: what only its owner can read, and nobody can put in its place."""

import errno
import os
import stat
from pathlib import Path

_MODES = frozenset({0o400, 0o600})


class NotPrivate(Exception):
    """What is there is not to be trusted, or not to be read; the message says how to
    mend it, and quotes nothing of what it holds."""


def read_private(path: Path, noun: str, longest: int) -> bytes:
    """Return the first `longest` bytes of the `noun` at that path.

    Raises FileNotFoundError or NotPrivate.
    """
    try:
        return _read(path, noun, longest)
    except FileNotFoundError:
        raise
    except OSError as error:
        sentence = _unopened(path, noun, error)
    raise NotPrivate(sentence)


def _read(path: Path, noun: str, longest: int) -> bytes:
    # O_NONBLOCK: a named pipe in the file's place must not hold us up.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        # Asked of what was opened: the path may point elsewhere by now.
        refusal = _refusal(path, noun, os.fstat(descriptor), os.geteuid())
        if refusal is not None:
            raise NotPrivate(refusal)
        return os.read(descriptor, longest)
    finally:
        os.close(descriptor)


def _refusal(path: Path, noun: str, status: os.stat_result, user: int) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file; put the {noun} there"
    if status.st_uid != user:
        return f"{path} belongs to another user; run: chown {user} {path}"
    if stat.S_IMODE(status.st_mode) not in _MODES:
        return f"{path} must be its owner's alone; run: chmod 600 {path}"
    return None


def _unopened(path: Path, noun: str, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"{path} is a symbolic link; put the {noun} itself there"
    return (
        f"{path} cannot be read ({error.strerror}); "
        "make it readable to the user that runs Keyrelay"
    )
