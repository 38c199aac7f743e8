"""Pip's run: pip in this process, which may start no other.

It runs inside a sandbox, as a script does, and knows the standard library alone. The
order stands in the environment: `program` is the directory or the archive that pip is
in, and `arguments` are what it is told.
"""

import importlib
import json
import os
import platform
import runpy
import sys

_STARTS = (
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty"),
    *("os.posix_spawn", "os.spawn"),
)


def main() -> None:
    order = json.loads(os.environ.pop("KEYRELAY_INSTALL"))
    print(platform.python_version())  # noqa: T201 - the first line is awaited
    # Beside pip there may be packages, which would count as installed.
    sys.path.insert(0, order["program"])
    importlib.import_module("pip")
    sys.path.remove(order["program"])
    sys.addaudithook(_refuse)
    sys.argv = ["pip", *order["arguments"]]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def _refuse(event: str, _: tuple[object, ...]) -> None:
    """Refuse what building a package would need; pip itself can do without."""
    if event in _STARTS:
        raise PermissionError("a package asks to be built, and nothing is built here")


if __name__ == "__main__":
    main()
