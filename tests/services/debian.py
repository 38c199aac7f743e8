"""Debian: programs that come as packages of the system."""

import os
import subprocess
from pathlib import Path

from tests.services import program
from tests.services.service import Unavailable

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def install(name: str, *, package: str) -> Path:
    """Return the program called `name`, installing its package if that is needed."""
    found = program.find(name)
    if found is not None:
        return found

    apt = program.find("apt-get")
    if apt is None:
        raise Unavailable(f"there is no `{name}` here, and no apt-get to install it")
    if os.geteuid() != 0:
        raise Unavailable(f"`apt-get install {package}` has to be run by root first")
    print(f"{name}: installing the package {package} with apt-get", flush=True)
    _install(apt, package)

    found = program.find(name)
    if found is None:
        raise Unavailable(f"the package {package} brought no `{name}`")
    return found


def version(package: str) -> str:
    query = program.find("dpkg-query")
    if query is None:
        return "unknown"
    answer = subprocess.run(
        [query, "--show", "--showformat=${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout or "unknown"


def _install(apt: Path, package: str) -> None:
    patient: list[str | Path] = [apt, "--option", "DPkg::Lock::Timeout=300"]
    command = [*patient, "install", "--yes", "--no-install-recommends", package]
    try:
        program.run(command, extra=_ENVIRONMENT)
    except Unavailable:
        # Package lists may be missing or too old; only then are they worth fetching.
        program.run([*patient, "update"], extra=_ENVIRONMENT)
        program.run(command, extra=_ENVIRONMENT)
