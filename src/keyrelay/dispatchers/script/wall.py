"""Wall: whether this machine can keep a script away from all else, and by what.

bubblewrap is required. As root, runs have a user of their own besides, each another
one, where the interpreter can be read by other users; its processes are then under
the kernel's own limits, too, which root's are not.
"""

import os
import secrets
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import Interpreter
from keyrelay.dispatchers.script.sandbox import Sandbox, arguments, refused

# Above the ranges that systemd and containers take theirs from.
_USERS = range(1_900_000_000, 1_901_000_000)
_PATIENCE = 10  # seconds

_MISSING = (
    "hosted scripts need bubblewrap, and there is no `bwrap` in PATH; install it "
    "(on Debian: apt-get install bubblewrap)"
)


class NoWall(Exception):
    """Hosted scripts cannot run here; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """`own_users`: each run has a user of its own outside the sandbox, too.

    `launcher` is the Python that starts inside, whatever the script is written in.
    """

    bwrap: Path
    launcher: Interpreter
    own_users: bool

    def user(self) -> int | None:
        """Return the user of the next run; None for the one that we are."""
        return _USERS[secrets.randbelow(len(_USERS))] if self.own_users else None


def find_wall(interpreter: Interpreter, launcher: Interpreter) -> Wall:
    """Return the wall that scripts of this interpreter have; it has been tried.

    Raises NoWall.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise NoWall(_MISSING)
    wall = Wall(bwrap=Path(found), launcher=launcher, own_users=os.geteuid() == 0)
    refusal = _refusal(wall, interpreter)
    if refusal is not None and wall.own_users:
        wall = replace(wall, own_users=False)
        refusal = _refusal(wall, interpreter)
    if refusal is not None:
        raise NoWall(f"hosted scripts need a sandbox, and bwrap makes none: {refusal}")
    return wall


def _refusal(wall: Wall, interpreter: Interpreter) -> str | None:
    """Return why what runs inside cannot be started behind that wall."""
    trees = (*wall.launcher.trees, *interpreter.trees)
    for each in (wall.launcher, interpreter):
        with ExitStack() as until:
            box = Sandbox(trees=trees, disk=1, refused=refused(until))
            refusal = _tried(wall, box, [str(each.program), "--version"])
        if refusal is not None:
            return refusal
    return None


def _tried(wall: Wall, box: Sandbox, command: list[str]) -> str | None:
    user = wall.user()
    try:
        tried = subprocess.run(  # noqa: S603 - bwrap, with arguments of ours
            # As the first process, it is waited for: it leaves no zombie.
            [str(wall.bwrap), "--as-pid-1", *arguments(box, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={},
            pass_fds=box.descriptors,
            timeout=_PATIENCE,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0:
        return None
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"it ended with exit code {tried.returncode}"
