"""Priority: scripts yield the processors to Keyrelay where both want them.

The launcher makes its script nicer. Where Linux shares processors between sessions
first (sched(7), autogroup), that counts within the script's own session alone: then
the session as a whole is made nicer, from outside, as it cannot do that itself.
"""

import asyncio
from pathlib import Path

from keyrelay.dispatchers.script.launcher import NICER

_AGAIN = 0.1  # seconds: Linux lets all users but root do this once in that time
_TRIES = 20


async def yield_processors(first: int) -> None:
    """Make the session nicer that the process of this pidfd is in, where it counts."""
    for _ in range(_TRIES):
        try:
            _autogroup(first).write_text(str(NICER))
        except BlockingIOError:
            await asyncio.sleep(_AGAIN)
        except OSError:
            return  # it has ended, or sessions share nothing here
        else:
            return


def _autogroup(pidfd: int) -> Path:
    described = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    pid = described.partition("\nPid:")[2].split()[0]
    return Path("/proc", pid, "autogroup")
