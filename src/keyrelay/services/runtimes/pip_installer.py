"""Pip: packages for Python, as wheels alone, in a virtual environment."""

import importlib.util
import json
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import SYSTEM, Language, python
from keyrelay.services.runtimes.installer import InstallerRun, Staging
from keyrelay.services.runtimes.prepared import InstalledPackage, read_made
from keyrelay.services.runtimes.wanted import NotPrepared

_MISSING = (
    "there is no pip beside the Python that runs Keyrelay; install it (on Debian:"
    " apt-get install python3-pip)"
)


@dataclass(frozen=True, slots=True)
class PipInstaller:
    """A virtual environment of the Python that runs Keyrelay."""

    language: Language = Language.PYTHON
    complaint: re.Pattern[str] = re.compile("ERROR: (.*)")

    def lay_out(self, staging: Staging, wanted: Sequence[str]) -> InstallerRun:
        found = next(_pips(), None)
        if found is None:
            raise NotPrepared(_MISSING)
        _make_environment(staging.made)
        asked = staging.work / "requirements.txt"
        asked.write_text("".join(f"{line}\n" for line in wanted))
        ours = python(staging.made)
        beside = () if found.is_relative_to(SYSTEM) else (found,)
        arguments = [
            *("install", "--only-binary", ":all:", "--requirement", str(asked)),
            *("--report", str(_report(staging)), "--no-cache-dir", "--no-input"),
            *("--no-color", "--progress-bar", "off", "--retries", "2"),
            *("--no-warn-script-location", "--disable-pip-version-check"),
        ]
        return InstallerRun(
            interpreter=replace(ours, trees=(*ours.trees, *beside)),
            driver="pip_run.py",
            order={
                # An archive is looked into by its own path.
                "program": str(found if found.suffix == ".whl" else found.parent),
                "arguments": arguments,
            },
            environment={"PIP_CONFIG_FILE": os.devnull},
        )

    def finish(self, staging: Staging) -> Sequence[InstalledPackage]:
        report = json.loads(read_made(_report(staging)))
        found = [
            InstalledPackage(
                name=each["metadata"]["name"],
                version=each["metadata"]["version"],
                digest=_digest(each["download_info"]),
            )
            for each in report["install"]
        ]
        # Anew, as a package may bring a file under any of these names. No script of
        # a package's is needed.
        _make_environment(staging.made)
        return sorted(found, key=lambda each: each.name.lower())


def _make_environment(folder: Path) -> None:
    """Make what `python -m venv` would, but for scripts, which nothing here starts."""
    own = Path(os.path.realpath(sys.executable))
    settings, programs = folder / "pyvenv.cfg", folder / "bin"
    if programs.is_dir() and not programs.is_symlink():
        shutil.rmtree(programs)
    for path in (settings, programs):
        path.unlink(missing_ok=True)
    places = {"base": str(folder), "platbase": str(folder)}
    for name in ("purelib", "platlib"):
        place = sysconfig.get_path(name, "venv", vars=places)
        Path(place).mkdir(parents=True, exist_ok=True)
    settings.write_text(f"home = {own.parent}\ninclude-system-site-packages = false\n")
    programs.mkdir()
    (programs / "python").symlink_to(own)


def _pips() -> Iterator[Path]:
    """Yield the directories and archives that pip is in, best first."""
    known = importlib.util.find_spec("pip")
    if known is not None and known.origin is not None:
        yield Path(known.origin).parent
    # What `python -m venv` installs pip from.
    bundled = importlib.util.find_spec("ensurepip")
    if bundled is not None and bundled.origin is not None:
        yield from (Path(bundled.origin).parent / "_bundled").glob("pip-*.whl")
    system = sysconfig.get_config_var("WHEEL_PKG_DIR")
    if system:
        yield from Path(system).glob("pip-*.whl")


def _digest(download: object) -> str:
    """Return the digest of a wheel; releases of pip write it in two ways."""
    match download:
        case {"url": str(url), "archive_info": {"hashes": {"sha256": str(digest)}}}:
            pass
        case {"url": str(url), "archive_info": {"hash": str(text)}} if text.startswith(
            "sha256="
        ):
            digest = text.removeprefix("sha256=")
        case _:
            url, digest = "", ""
    if not url.partition("#")[0].endswith(".whl") or not digest:
        raise NotPrepared("pip does not say of each package which wheel it is from")
    return digest


def _report(staging: Staging) -> Path:
    return staging.work / "report.json"
