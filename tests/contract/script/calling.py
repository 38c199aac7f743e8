"""A process of ours that runs a script, to be killed: `calling.py MARKER SITE`."""

import asyncio
import sys

from keyrelay.dispatchers.script.process import run_script
from tests.contract.script.hosting import (
    ROOMY,
    a_run,
    our_site,
    own_users_site,
)

LEAVES_CHILDREN = """\
import os, signal, time
reading, writing = os.pipe()
for number in range(3):
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.write(writing, b".")
            time.sleep(1_000)
        os._exit(0)
    os.waitpid(child, 0)
    os.read(reading, 1)
print("ready")
time.sleep(1_000)
"""


async def say(line: str) -> None:
    print(line, flush=True)


async def main(marker: str, which: str) -> None:
    site = our_site() if which == "our user" else own_users_site()
    assert site is not None
    run = a_run(LEAVES_CHILDREN, site.interpreter, name=f"{marker}.py")
    await run_script(run, ROOMY, site.host(), say)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
