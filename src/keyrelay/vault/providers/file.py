"""File: the key-encryption key in a file that only its owner can read."""

import errno
import os
import stat
from pathlib import Path

from keyrelay.vault.flaw import Flaw, sealed
from keyrelay.vault.key import Key, new_key
from keyrelay.vault.local_key import LocalKey, key_text, parse_key

_MODES = frozenset({0o400, 0o600})
_LONGEST = 1024  # bytes that are looked at; a key has far fewer


def create(path: Path) -> LocalKey:
    """Write a new key that would survive a power cut, and return it as `load` does.

    Raises FileExistsError, and leaves alone what is there; or another OSError,
    and leaves nothing there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        _write(descriptor, new_key())
        _sync_directory(path.parent)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
    return load(path)


def load(path: Path) -> LocalKey:
    """Return the key in that file, or raise Unavailable, saying what to do."""
    try:
        key = _read(path)
    except OSError as error:
        raise sealed(Flaw.KEY_UNAVAILABLE, _unopened(path, error)) from None
    if key is None:
        raise sealed(
            Flaw.KEY_UNAVAILABLE,
            f"{path} does not hold a key; put your backup of the key file there",
        )
    return LocalKey(key)


def _write(descriptor: int, key: Key) -> None:
    os.fchmod(descriptor, 0o600)  # whatever the umask took away
    os.write(descriptor, f"{key_text(key)}\n".encode())
    os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    # Without it a power cut may take the file's name, and with it the key.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Key | None:
    # O_NONBLOCK: a named pipe in the key's place must not hold us up.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        # Asked of what was opened: the path may point elsewhere by now.
        refusal = _refusal(path, os.fstat(descriptor), os.geteuid())
        if refusal is not None:
            raise sealed(Flaw.KEY_UNAVAILABLE, refusal)
        text = os.read(descriptor, _LONGEST).decode("latin-1")
    finally:
        os.close(descriptor)
    return parse_key(text.removesuffix("\n"))


def _refusal(path: Path, status: os.stat_result, user: int) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file; put the key file there"
    if status.st_uid != user:
        return f"{path} belongs to another user; run: chown {user} {path}"
    if stat.S_IMODE(status.st_mode) not in _MODES:
        return f"{path} must be its owner's alone; run: chmod 600 {path}"
    return None


def _unopened(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return f"there is no key file at {path}; put your backup of it there"
        case errno.ELOOP:
            return f"{path} is a symbolic link; put the key file itself there"
        case _:
            return (
                f"{path} cannot be read ({error.strerror}); "
                "make it readable to the user that runs Keyrelay"
            )
