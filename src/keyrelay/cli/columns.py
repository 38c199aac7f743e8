"""Columns: what a table shows, and what gives way where a terminal is narrow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from keyrelay.cli.session import Session
from keyrelay.model.ids import Beginnings
from keyrelay.services.naming import FindIds


class Content(Enum):
    """What stands in a column, and how it becomes shorter."""

    WORD = auto()  # whole, on several lines if it must
    ID = auto()  # cut to a beginning that no other id has, or as a word
    INSTANT = auto()  # cut to the minute
    TEXT = auto()  # cut with "…"; it stands whole in `show`


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`name` is the field's. An `optional` column is left out where others need room.

    `find` finds the ids that a beginning of one may be meant for; what is shown of one
    has at least `shortest` characters.
    """

    name: str
    content: Content = Content.WORD
    head: str
    optional: bool = False
    find: Callable[[Session], FindIds] | None = None
    shortest: int = 8


def _words(name: str) -> str:
    return name.replace("_", " ")


def word(name: str, *, optional: bool = False) -> Column:
    return Column(name=name, head=_words(name), optional=optional)


def text(name: str, *, head: str = "") -> Column:
    return Column(name=name, content=Content.TEXT, head=head or _words(name))


def instant(name: str) -> Column:
    return Column(name=name, content=Content.INSTANT, head=_words(name))


def own_id(find: Callable[[Session], FindIds]) -> Column:
    """Return the column of the ids of what the table lists."""
    return Column(name="id", content=Content.ID, head="id", find=find)


def other_id(
    name: str,
    find: Callable[[Session], FindIds],
    *,
    head: str = "",
    optional: bool = False,
) -> Column:
    """Return a column of ids of other things, which are known in several places.

    Of those made in one second, one in four thousand million pairs begins alike.
    """
    return Column(
        name=name,
        content=Content.ID,
        head=head or _words(name),
        optional=optional,
        find=find,
        shortest=16,
    )


def actions(session: Session) -> FindIds:
    return session.store.definitions.actions.beginning


def analyses(session: Session) -> FindIds:
    return session.store.definitions.analyses.documents.beginning


def records(session: Session) -> FindIds:
    return session.store.trail.beginning


def attempted(session: Session) -> FindIds:
    return session.store.trail.triggers_beginning


def buried(session: Session) -> FindIds:
    return session.store.dead_letters.beginning


def waiting(session: Session) -> FindIds:
    async def find(profile: str, sought: Beginnings) -> Sequence[str]:
        async with session.queue() as queue:
            return await queue.beginning(profile, sought)

    return find


def subjects(session: Session) -> FindIds:
    """Return what finds whatever an audit record may be about."""
    kept = session.store.definitions
    documents = (kept.actions, kept.policies, kept.analyses.documents)
    stores = (kept.secrets, *documents, kept.tokens)
    finds = (*(s.beginning for s in stores), attempted(session), buried(session))

    async def find(profile: str, sought: Beginnings) -> Sequence[str]:
        return [id_ for each in finds for id_ in await each(profile, sought)]

    return find


# The action of an attempt or a dead letter: its id, and the name beside it.
ACTION = (
    other_id("action", actions, head="action id", optional=True),
    text("action_name", head="action"),
)


# What `secret list` shows.
SECRET = (
    own_id(lambda session: session.store.definitions.secrets.beginning),
    text("key"),
    word("type"),
    word("version", optional=True),
    word("paused"),
    text("tags"),
    instant("updated_at"),
)
