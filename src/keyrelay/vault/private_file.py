"""Private file: read only if it is a regular file that no other user can read.

It must belong to the user that runs Keyrelay, have mode 0400 or 0600, and be no
symbolic link.
"""

import errno
import os
import stat
from pathlib import Path

_MODES = frozenset({0o400, 0o600})


class NotPrivate(Exception):
    """The file cannot be trusted, or cannot be read; the message says how to mend it.

    It quotes nothing of the file's contents.
    """


def read_private(path: Path, noun: str, longest: int) -> bytes:
    """Return the first `longest` bytes of the file at that path.

    `noun` is what messages call the file. Raises FileNotFoundError or NotPrivate.
    """
    try:
        return _read(path, noun, longest)
    except FileNotFoundError:
        raise
    except OSError as error:
        sentence = _unopened(path, noun, error)
    raise NotPrivate(sentence)


def _read(path: Path, noun: str, longest: int) -> bytes:
    # O_NONBLOCK: opening a named pipe must not block.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        # Of the opened file and not of the path, which may name another one by now.
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
