"""Console events: what scripts print, told to those that listen to an analysis."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from keyrelay.model.console import ConsoleLine, with_gap
from keyrelay.model.ids import is_id
from keyrelay.model.instant import wire_instant
from keyrelay.services.events.documents import Event, event_of
from keyrelay.services.events.listeners import Listeners
from keyrelay.stores.consoles import ConsoleStore

CONSOLE = "analysis_console"

Console = tuple[str, str]  # profile, analysis


def console_channel(analysis: str) -> str:
    """Return the channel of an analysis' console, as TagoIO names it."""
    return f"{CONSOLE}.{analysis}"


def analysis_of(channel: str) -> str | None:
    """Return the analysis whose console that channel is; None, it is no console's."""
    kind, _, id_ = channel.partition(".")
    return id_ if kind == CONSOLE and is_id(id_) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedConsoles:
    """The consoles that are listened to in this process, and how far each was told."""

    store: ConsoleStore
    listeners: Listeners
    places: dict[Console, int]

    async def ends(
        self, profile: str, channels: Collection[str]
    ) -> Mapping[Console, int]:
        """Return where the consoles among these channels end now.

        Raises NotFound for an analysis that the profile has not, and Unavailable.
        """
        return {
            (profile, analysis): await self.store.end(profile, analysis)
            for analysis in filter(None, map(analysis_of, channels))
        }

    def begin(self, ends: Mapping[Console, int]) -> None:
        """Follow these from there on, but for those that are followed already."""
        for console, end in ends.items():
            self.places.setdefault(console, end)

    async def look(self) -> None:
        """Tell what is new. Raises Unavailable."""
        wanted = self._wanted()
        for unheard in self.places.keys() - wanted:
            del self.places[unheard]
        if not wanted:
            return
        ends = await self.store.ends(sorted({analysis for _, analysis in wanted}))
        for profile, analysis in wanted:
            await self._tell(profile, analysis, ends.get(analysis, 0))

    async def _tell(self, profile: str, analysis: str, end: int) -> None:
        place = self.places.setdefault((profile, analysis), end)
        if end > place:
            found = await self.store.after(profile, analysis, place)
            for line in with_gap(place, found):
                self.listeners.tell(profile, _event(analysis, line))
            end = found[-1].place if found else end
        # Lower than it was: an older database was restored.
        self.places[profile, analysis] = end

    def _wanted(self) -> set[Console]:
        return {
            (each.token.profile, analysis)
            for each in self.listeners
            for channel in each.channels
            if (analysis := analysis_of(channel)) is not None
        }


def _event(analysis: str, line: ConsoleLine) -> Event:
    payload = {"timestamp": wire_instant(line.at), "message": line.text}
    return event_of(console_channel(analysis), payload)
