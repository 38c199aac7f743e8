"""Installer: what every file of this family offers, and what each of them works on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keyrelay.dispatchers.script.interpreter import Interpreter, Language
from keyrelay.services.runtimes.prepared import InstalledPackage

# What leads to a registry, under the names that pip and npm look for. Nothing else of
# the environment is handed on.
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"),
    *("NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE"),
)
_REGISTRIES = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")


@dataclass(frozen=True, slots=True)
class Staging:
    """A directory that an installer writes; `made` is what becomes the runtime."""

    folder: Path

    @property
    def made(self) -> Path:
        return self.folder / "made"

    @property
    def work(self) -> Path:
        """Return where what is needed only for a while lies."""
        return self.folder / "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerRun:
    """One run of an installer, inside a sandbox; `order` is what its driver reads."""

    interpreter: Interpreter
    driver: str
    order: Mapping[str, object]
    environment: Mapping[str, str]


class Installer(Protocol):
    """`complaint` matches a line in which it says why it fails."""

    @property
    def language(self) -> Language: ...

    @property
    def complaint(self) -> re.Pattern[str]: ...

    def lay_out(self, staging: Staging, wanted: Sequence[str]) -> InstallerRun:
        """Write what it reads, and say how it is run. Raises NotPrepared."""

    def finish(self, staging: Staging) -> Sequence[InstalledPackage]:
        """Leave in `made` what scripts need, and say what was installed.

        Raises NotPrepared, OSError, ValueError, KeyError or TypeError where that
        cannot be told.
        """


def way_to_registries(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of our variables that an installer has, too."""
    found = _named((*_NETWORK, *_REGISTRIES), variables)
    for name, file in _named(_CERTIFICATES, variables).items():
        # Links lead elsewhere, or nowhere, inside a sandbox.
        found[name] = str(Path(file).resolve())
    return found


def certificates(variables: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files with trust anchors that these variables name."""
    named = {Path(file) for file in _named(_CERTIFICATES, variables).values()}
    return tuple(sorted(path for path in named if path.is_file()))


def _named(names: Sequence[str], variables: Mapping[str, str]) -> dict[str, str]:
    both = (*names, *(name.lower() for name in names))
    return {name: variables[name] for name in both if variables.get(name)}
