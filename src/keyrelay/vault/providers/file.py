"""File: the key-encryption key in a file that only its owner can read."""

import os
import stat
from pathlib import Path

from keyrelay.vault.flaw import Flaw, sealed
from keyrelay.vault.key import Key, new_key
from keyrelay.vault.local_key import LocalKey, key_text, parse_key
from keyrelay.vault.private_file import NotPrivate, read_private

_LONGEST = 1024  # bytes that are read; a key has far fewer


def create(path: Path) -> LocalKey:
    """Write a new key, durable on return, and return it as `load` does.

    A crash leaves the whole file or none. Raises FileExistsError and leaves a file that
    holds anything untouched; raises another OSError if writing fails.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    try:
        _write(descriptor, new_key())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            if not is_blank(path):
                raise
            # An older Keyrelay was cut off when it made the file.
            path.unlink(missing_ok=True)
            path.hardlink_to(draft)
        _sync_directory(path.parent)
    finally:
        os.close(descriptor)
        draft.unlink()
    return load(path)


def is_blank(path: Path) -> bool:
    """Tell whether there is no file, or a regular one without any contents."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def load(path: Path) -> LocalKey:
    """Return the key in that file, or raise Unavailable, saying what to do."""
    key = _read(path)
    if key is None:
        raise sealed(
            Flaw.KEY_UNAVAILABLE,
            f"{path} does not hold a key; put your backup of the key file there",
        )
    return LocalKey(key)


def _read(path: Path) -> Key | None:
    # A function of its own, so that no traceback shows the text among its locals.
    try:
        text = read_private(path, "key file", _LONGEST).decode("latin-1")
    except FileNotFoundError:
        remedy = f"there is no key file at {path}; put your backup of it there"
    except NotPrivate as fault:
        remedy = str(fault)
    else:
        return parse_key(text)
    raise sealed(Flaw.KEY_UNAVAILABLE, remedy)


def _write(descriptor: int, key: Key) -> None:
    os.fchmod(descriptor, 0o600)  # os.open applied the umask
    os.write(descriptor, f"{key_text(key)}\n".encode())
    os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    # Otherwise a power cut may remove the file's name, and the key is lost.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
