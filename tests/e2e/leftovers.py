"""Leftovers: `python -m tests.e2e.leftovers COMMAND …` tells what a command leaves.

It runs the command, adopts what the command's end makes an orphan, and ends with the
command's exit code, or with LEFT if a process is still there.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

LEFT = 99
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def main(command: Sequence[str]) -> int:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with subprocess.Popen(command) as process:
        signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        code = process.wait()
    return LEFT if _somebody_lives() else code


def _somebody_lives() -> bool:
    """Whether a child is left, once those that have ended are reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
