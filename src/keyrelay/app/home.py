"""Home: the data directory and the files in it are their owner's alone."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from keyrelay.ports import Unavailable

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(home: Path, key: Path) -> None:
    """Take all rights of other users away, in the directory and of each file in it.

    The key file alone keeps its mode: one that others could read may have been read,
    and the vault says so. Raises Unavailable where that cannot be done. A mounted
    volume may belong to the system that mounts it: then the modes of the files alone
    count.
    """
    try:
        status = home.stat()
        if status.st_uid == os.geteuid():
            _restrict(home, status)
        elif not home.is_mount():
            raise Unavailable(
                f"{home} belongs to another user; run Keyrelay as that user"
            )
        with os.scandir(home) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and Path(entry) != key:
                    with suppress(FileNotFoundError):  # it has gone meanwhile
                        _restrict(Path(entry), entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return  # nothing is there yet
    except OSError as fault:
        raise Unavailable(
            f"{home} cannot be made its owner's alone ({fault.strerror})"
        ) from None


def _restrict(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & _OTHERS and status.st_uid == os.geteuid():
        path.chmod(mode & ~_OTHERS)
