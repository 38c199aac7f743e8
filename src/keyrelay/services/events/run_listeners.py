"""Run listeners: scripts elsewhere that are handed the runs of their analyses."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.model.analysis import RunOn
from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.token import Token, TokenRights
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.services.events.listeners import Listener, Listeners
from keyrelay.stores.definitions.live_catalog import LiveCatalog

TRIGGER = "analysis_trigger"  # the channel, as TagoIO names it

_CHECKED_EACH = timedelta(milliseconds=200)


class NotHandedOut(Exception):
    """This process hands out no runs; the message says which ones do."""


def may_listen(rights: TokenRights) -> bool:
    """Tell whether that is a token to which runs are handed: an analysis' main one."""
    return rights.analysis is not None and rights.run is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListener:
    """One connection of a script; `is_private` tells whether none reads along on it."""

    id: str
    listener: Listener
    address: str
    is_private: bool
    since: datetime

    @property
    def is_free(self) -> bool:
        return not (self.listener.ended.is_set() or self.listener.is_busy)

    @property
    def analysis(self) -> str:
        return self.listener.token.rights.analysis or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListeners:
    """Those of one process; of an analysis the least recently used one comes first.

    One that has just come counts as just used.
    """

    counted: Listeners
    world: World
    _of: dict[str, dict[str, RunListener]] = field(default_factory=dict, init=False)

    def __iter__(self) -> Iterator[RunListener]:
        return iter([each for of_one in self._of.values() for each in of_one.values()])

    def add(self, token: Token, address: str, *, is_private: bool) -> RunListener:
        """Return a new one, to be removed at its end. Raises TooManyStreams."""
        now = self.world.now()
        added = RunListener(
            id=self.world.new_id(now),
            listener=self.counted.add(token, (TRIGGER,)),
            address=address,
            is_private=is_private,
            since=now,
        )
        of_one = self._of.setdefault(added.analysis, {})
        of_one[added.id] = added
        return added

    def remove(self, listener: RunListener) -> None:
        self.counted.remove(listener.listener)
        of_one = self._of[listener.analysis]
        del of_one[listener.id]
        if not of_one:
            del self._of[listener.analysis]

    def wanted(self) -> Collection[str]:
        """Return the analyses of which one is free."""
        return [
            analysis
            for analysis, of_one in self._of.items()
            if any(each.is_free for each in of_one.values())
        ]

    def of(self, profile: str, analysis: str) -> Collection[RunListener]:
        """Return those of an analysis, the least recently used one first."""
        of_one = self._of.get(analysis, {}).values()
        return [each for each in of_one if each.listener.token.profile == profile]

    def use(self, listener: RunListener) -> None:
        """Let all others of its analysis be used before it is used again."""
        of_one = self._of[listener.analysis]
        of_one[listener.id] = of_one.pop(listener.id)

    def get(self, analysis: str, id_: str | None) -> RunListener | None:
        return self._of.get(analysis, {}).get(id_ or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListening:
    """Which tokens listen for runs, and how long.

    `is_on` tells whether runs are handed out here. `counting` returns the tokens that
    count, by id. `note_use` is told the tokens of those that listen, again and again.
    """

    listeners: RunListeners
    catalog: LiveCatalog
    counting: Callable[[], Mapping[str, Token]]
    note_use: Callable[[Token, datetime], None]
    is_on: bool

    def listen(self, token: Token, address: str, *, is_private: bool) -> RunListener:
        """Return a listener for the runs of the analysis whose main token it is.

        Raises NotHandedOut, TooManyStreams, Unavailable, and InvalidDefinition for an
        analysis that is inactive or hosted.
        """
        if not self.is_on:
            raise NotHandedOut(
                "this process hands out no runs: KEYRELAY_ANALYSES names no `external`"
            )
        refusal = _refusal(self.catalog.current(), token)
        if refusal is not None:
            raise InvalidDefinition(refusal)
        return self.listeners.add(token, address, is_private=is_private)

    async def keep_checking(self) -> None:
        """End those whose token, or whose analysis, no longer lets them listen."""
        world = self.listeners.world
        while True:
            await self.listeners.counted.wanted.wait()
            counting, now = self.counting(), world.now()
            for each in self.listeners:
                token = each.listener.token
                if counting.get(token.id) == token and self._may_listen(token, now):
                    self.note_use(token, now)
                else:
                    each.listener.end()
            await world.sleep(_CHECKED_EACH)

    def _may_listen(self, token: Token, now: datetime) -> bool:
        try:
            refusal = _refusal(self.catalog.current(), token)
        except Unavailable:
            return False
        return refusal is None and not token.is_expired(now)


def _refusal(catalog: Catalog, token: Token) -> str | None:
    """Say why nothing is handed to that token's script; None, its runs are."""
    scripted = catalog.analyses.get((token.profile, token.rights.analysis or ""))
    if scripted is None:
        return "there is no such analysis"
    analysis = scripted.analysis
    if analysis.run_on is not RunOn.EXTERNAL:
        return (
            f"analysis {analysis.name!r} does not run elsewhere: set its `run_on` to"
            f" `{RunOn.EXTERNAL}`"
        )
    if not analysis.active:
        return f"analysis {analysis.name!r} is inactive: activate it first"
    return None
