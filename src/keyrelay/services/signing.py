"""Signing: words that are handed out, and believed when they come back.

    text = word "." … "." MAC

with the MAC, in base64url, over all before it, under a key of its own for each label.
No word has a dot in it.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Each method raises Unavailable while the vault is sealed."""

    vault: Vault
    label: str

    async def sign(self, words: Sequence[str]) -> str:
        return await self._signed(".".join(words))

    async def read(self, text: str) -> Sequence[str] | None:
        """Return the words that were signed; None, these were not."""
        facts = text.rpartition(".")[0]
        signed = await self._signed(facts)
        # As bytes: of texts, only ASCII is compared in constant time.
        shown, known = (each.encode(errors="replace") for each in (text, signed))
        same = hmac.compare_digest(known, shown)
        return facts.split(".") if same else None

    async def _signed(self, facts: str) -> str:
        authenticate = await self.vault.authenticator(self.label)
        mac = authenticate(facts.encode(errors="replace"))
        return f"{facts}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
