"""Console scrubbing: what a script sends is kept without its analysis' secrets.

What a script elsewhere was given, and when, is not known here: its lines are scrubbed
by what policies let its analysis access as they arrive. A secret is opened for that
alone and handed to nothing, so that no release is on record.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from keyrelay.dispatchers.script.scrubbing import SHORTEST, LineScrubber, parts_of
from keyrelay.engine.releasing import permitted
from keyrelay.model.catalog import Catalog
from keyrelay.model.console import CUT, LONGEST_LINE
from keyrelay.model.secret import OpenedSecret
from keyrelay.ports import Unsealable, Vault
from keyrelay.services.console_room import CHARACTER, DECISION, LINE, ConsoleRoom

# Values; to look for them takes some milliseconds, and then others have their turn.
_AT_ONCE = 20
# Characters of a text that are searched: four times what is kept of it, as masks are
# shorter than values. A value may stand where the text is cut; fewer than SHORTEST
# characters of it are not found.
_SOUGHT = 4 * LONGEST_LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleScrubbing:
    """Opens secrets, and finds their values in texts, as far as there is room."""

    vault: Vault
    catalog: Catalog
    room: ConsoleRoom

    async def scrub(self, profile: str, analysis: str, token: str, text: str) -> str:
        """Return the text without those values, and without the token that sent it.

        Of a text of which not all is kept, the beginning is returned. Raises
        Unavailable and ConsoleBusy.
        """
        async with self.room.taken(profile, analysis) as spend:
            spend(LINE)
            opened = await self._opened(profile, analysis, spend)
            # The longest first: of a value that begins another the rest would stay.
            parts = sorted({token, *_parts(opened)}, key=len, reverse=True)
            sought = text[:_SOUGHT]
            for first in range(0, len(parts), _AT_ONCE):
                some = parts[first : first + _AT_ONCE]
                spend(len(some) + len(sought) * CHARACTER)
                sought = _without(sought, some)
                await asyncio.sleep(0)
        return sought if len(text) <= _SOUGHT else f"{sought[:-SHORTEST]}{CUT}"

    async def _opened(
        self, profile: str, analysis: str, spend: Callable[[float], None]
    ) -> Sequence[OpenedSecret]:
        catalog, opened = self.catalog, list[OpenedSecret]()
        scripted = catalog.analyses.get((profile, analysis))
        if scripted is None or profile in catalog.omitted.profiles:
            return ()  # nothing is released to it
        secrets = catalog.secrets_of(profile)
        spend(len(secrets) * DECISION)
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
