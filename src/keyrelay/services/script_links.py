"""Script links: addresses from which one version of a script is downloaded for minutes.

    link = profile "." analysis "." version "." end "." MAC

with `end` in seconds since 1970. TagoIO's clients follow such an address without a
token: what it allows stands in it, and is signed (services/signing.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyrelay.services.signing import Signing
from keyrelay.vault.vault import Vault

LASTS = timedelta(minutes=5)

_LABEL = "script-links"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLink:
    """What a link leads to, and until when."""

    profile: str
    analysis: str
    version: int
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLinks:
    """Each method raises Unavailable while the vault is sealed."""

    vault: Vault
    now: Callable[[], datetime]

    def link(self, profile: str, analysis: str, version: int) -> ScriptLink:
        """Return a link that ends some minutes from now, not yet signed."""
        ends_at = (self.now() + LASTS).replace(microsecond=0)
        return ScriptLink(
            profile=profile, analysis=analysis, version=version, ends_at=ends_at
        )

    async def sign(self, link: ScriptLink) -> str:
        end = int(link.ends_at.timestamp())
        words = (link.profile, link.analysis, str(link.version), str(end))
        return await self._signing.sign(words)

    async def read(self, text: str) -> ScriptLink | None:
        """Return what a signed link leads to; None if it is none, or has ended."""
        words = await self._signing.read(text)
        if words is None:
            return None
        profile, analysis, version, end = words
        link = ScriptLink(
            profile=profile,
            analysis=analysis,
            version=int(version),
            ends_at=datetime.fromtimestamp(int(end), UTC),
        )
        return link if self.now() < link.ends_at else None

    @property
    def _signing(self) -> Signing:
        return Signing(vault=self.vault, label=_LABEL)
