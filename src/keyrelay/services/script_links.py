"""Script links: addresses from which one version of a script is downloaded for minutes.

    link = profile "." analysis "." version "." end "." MAC

with `end` in seconds since 1970 and the MAC, in base64url, over all before it. TagoIO's
clients follow such an address without a token: what it allows stands in it, and the
vault authenticates that.
"""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
        return await self._signed(_facts(link))

    async def read(self, text: str) -> ScriptLink | None:
        """Return what a signed link leads to; None if it is none, or has ended."""
        facts = text.rpartition(".")[0]
        signed = await self._signed(facts)
        # As bytes: of texts, only ASCII is compared in constant time.
        same = hmac.compare_digest(signed.encode(), text.encode(errors="replace"))
        if not same:
            return None
        profile, analysis, version, end = facts.split(".")
        link = ScriptLink(
            profile=profile,
            analysis=analysis,
            version=int(version),
            ends_at=datetime.fromtimestamp(int(end), UTC),
        )
        return link if self.now() < link.ends_at else None

    async def _signed(self, facts: str) -> str:
        authenticate = await self.vault.authenticator(_LABEL)
        mac = authenticate(facts.encode(errors="replace"))
        return f"{facts}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _facts(link: ScriptLink) -> str:
    end = int(link.ends_at.timestamp())
    return f"{link.profile}.{link.analysis}.{link.version}.{end}"
