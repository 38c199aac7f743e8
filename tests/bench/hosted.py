"""Hosted runs: what the wall adds to an interpreter: `python -m tests.bench.hosted`."""

import asyncio
import statistics
import subprocess
import sysconfig
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import Interpreter, Language, node, python
from keyrelay.dispatchers.script.process import run_script
from keyrelay.dispatchers.script.wall import find_wall
from tests.contract.script.hosting import ROOMY, SYSTEM_PYTHON, Site, a_run, no_line

_RUNS = 40
_PRINTS = {Language.PYTHON: "print('hello')", Language.NODE: "console.log('hello')"}
_PACKAGES = Path(sysconfig.get_path("purelib"))
_WITH_SDK = (
    f"import sys; sys.path.append({str(_PACKAGES)!r}); import tagoio_sdk;"
    f" {_PRINTS[Language.PYTHON]}"
)


async def main() -> None:
    system = Interpreter(language=Language.PYTHON, program=SYSTEM_PYTHON)
    for interpreter in (python(), system, node()):
        if interpreter is not None and interpreter.program.exists():
            launcher = python() if interpreter.trees else system
            site = Site(find_wall(interpreter, launcher), interpreter)
            await _compare(site, _PRINTS[interpreter.language])
    with_sdk = replace(python(), trees=(*python().trees, _PACKAGES))
    await _compare(Site(find_wall(with_sdk, python()), with_sdk), _WITH_SDK)


async def _compare(site: Site, code: str) -> None:
    bare, hosted, sequence = [], [], range(_RUNS)
    for _ in sequence:  # in turn, so that other load is the same for both
        bare.append(_bare(site.interpreter, code))
        hosted.append(await _hosted(site, code))
    added = statistics.median(hosted) - statistics.median(bare)
    own = "a user of its own" if site.wall.own_users else "our user"
    print(
        f"{site.interpreter.program} as {own}, {_first(code)}: bare {_shown(bare)}, "
        f"hosted {_shown(hosted)}, added {added * 1_000:.0f} ms"
    )


def _bare(interpreter: Interpreter, code: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script")
        script.write_text(code)
        started = time.perf_counter()
        subprocess.run(
            [interpreter.program, script], capture_output=True, check=True, env={}
        )
        return time.perf_counter() - started


async def _hosted(site: Site, code: str) -> float:
    language = site.interpreter.language
    name = "a.py" if language is Language.PYTHON else "a.js"
    run = a_run(code, site.interpreter, name=name)
    started = time.perf_counter()
    ending = await run_script(run, ROOMY, site.host(), no_line)
    assert ending.exit_code == 0, ending.sentence
    return time.perf_counter() - started


def _first(code: str) -> str:
    return "with the SDK" if code == _WITH_SDK else "without a library"


def _shown(times: list[float]) -> str:
    middle, slow = statistics.median(times), statistics.quantiles(times, n=10)[-1]
    return f"{middle * 1_000:.0f} ms (p90 {slow * 1_000:.0f})"


if __name__ == "__main__":
    asyncio.run(main())
