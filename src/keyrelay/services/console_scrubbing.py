"""Console scrubbing: what a script sends is kept without its analysis' secrets.

What a script elsewhere was given, and when, is not known here: its lines are scrubbed
by what policies let its analysis access as they arrive. A secret is opened for that
alone and handed to nothing, so that no release is on record.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keyrelay.dispatchers.script.scrubbing import LineScrubber, parts_of
from keyrelay.engine.releasing import permitted
from keyrelay.model.catalog import Catalog
from keyrelay.model.secret import OpenedSecret
from keyrelay.ports import Unsealable, Vault

# Values; to look for them takes some milliseconds, and then others have their turn.
_AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleScrubbing:
    """Opens secrets, and finds their values in texts."""

    vault: Vault
    catalog: Catalog

    async def scrub(self, profile: str, analysis: str, token: str, text: str) -> str:
        """Return the text without those values, and without the token that sent it.

        Raises Unavailable.
        """
        opened = await self._opened(profile, analysis)
        # The longest first: of a value that begins another the rest would stay.
        parts = sorted({token, *_parts(opened)}, key=len, reverse=True)
        for first in range(0, len(parts), _AT_ONCE):
            text = _without(text, parts[first : first + _AT_ONCE])
            await asyncio.sleep(0)
        return text

    async def _opened(self, profile: str, analysis: str) -> Sequence[OpenedSecret]:
        catalog, opened = self.catalog, list[OpenedSecret]()
        scripted = catalog.analyses.get((profile, analysis))
        if scripted is None or profile in catalog.omitted.profiles:
            return ()  # nothing is released to it
        secrets = catalog.secrets_of(profile)
        for permit in await permitted(catalog, scripted.analysis, secrets):
            try:
                opened.append(await self.vault.open(permit))
            except Unsealable:  # no run is given it either
                continue
        return opened


def _parts(opened: Sequence[OpenedSecret]) -> Iterator[str]:
    for each in opened:
        yield from parts_of(each.value.reveal())


def _without(text: str, parts: Sequence[str]) -> str:
    scrubber = LineScrubber.of(parts)
    lines = [
        ready
        for line in text.replace("\r\n", "\n").split("\n")
        for ready in scrubber.take(line)
    ]
    return "\n".join([*lines, *scrubber.finish()])
