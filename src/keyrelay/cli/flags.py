"""Flags: what was said on the command line that goes for every command."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    config: Path | None
    home: Path | None
    profile: str | None

    @property
    def given(self) -> Mapping[str, object]:
        """Return those that override settings."""
        flags = {"home": self.home, "profile": self.profile}
        return {name: value for name, value in flags.items() if value is not None}
