"""Lowest: the demo, run with the lowest versions that pyproject.toml allows.

`make lowest`. It needs a package index, nothing of this environment, and minutes.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def requirements() -> list[str]:
    """Return what the demo needs, with the bounds of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["demo"]]


def main() -> int:
    """Install and run; return the demo's exit code. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="lowest-") as made:
        room = Path(made)
        # uv knows how to resolve to the lowest; pip does not.
        venv.create(room / "uv", with_pip=True)
        venv.create(room / "venv")
        python = room / "venv" / "bin" / "python"
        _run(room / "uv/bin/python", "-m", "pip", "install", "--quiet", "uv>=0.9")
        install: list[str | Path] = [
            room / "uv/bin/uv",
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
        ]
        _run(*install, "--resolution", "lowest-direct", *requirements())
        _run(*install, "--no-deps", ROOT)
        keyrelay = room / "venv" / "bin" / "keyrelay"
        _run(keyrelay, "--home", room / "home", "init")
        return subprocess.run([keyrelay, "demo"], check=False).returncode


def _run(*command: str | Path) -> None:
    ours = {name: each for name, each in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, env=ours)


if __name__ == "__main__":
    sys.exit(main())
