"""Listing: how definitions are searched, sorted and paged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    and_,
    delete,
    exists,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.reach import Reach
from keyrelay.model.tags import Tag, Tagged
from keyrelay.stores.definitions.reaching import within
from keyrelay.stores.definitions.wildcard import is_like
from keyrelay.stores.schema.tables import tags as tags_table
from keyrelay.stores.unreadable import Slice, Statement

MOST_LISTED = 10_000
LAST_PAGE = 10**9

# By the name of an order, the columns that it sorts by, one after the other. The first
# order is the default.
Sorts = Mapping[str, Sequence[str]]


class Noun(StrEnum):
    SECRET = "secret"  # noqa: S105 - the word, not one
    ACTION = "action"
    POLICY = "policy"
    ANALYSIS = "analysis"
    TOKEN = "token"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which of its orders a list is sorted; None is its first."""

    by: str | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Which page, from 1, and how many entries each has."""

    number: int = 1
    amount: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.number <= LAST_PAGE or not 1 <= self.amount <= MOST_LISTED:
            raise InvalidDefinition(
                f"page counts from 1, amount goes from 1 to {MOST_LISTED}"
            )

    @property
    def slice(self) -> Slice:
        """The rows that are on the page."""
        return Slice((self.number - 1) * self.amount, self.amount)


FIRST_PAGE = Page()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfTag:
    """Any tag with this key, or any with this value."""

    key: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which definitions, in which order. In `name`, `*` stands for any text.

    `exactly` are columns and what they must hold: `id`, `active`, or where it runs. All
    of the `tags` must be carried, and all must be within the `reach`, if there is one.
    """

    page: Page = FIRST_PAGE
    order: Order = Order()
    name: str | None = None
    exactly: Mapping[str, bool | str] = field(default_factory=dict)
    tags: Sequence[Tag | PartOfTag] = ()
    reach: Reach | None = None


def listed(
    found: Statement, table: Table, noun: Noun, listing: Listing, sorts: Sorts
) -> Statement:
    """Narrow `found`, of that table, to what the listing asks for, and sort it.

    Each order, and `active` with each, has an index that begins with the profile.
    """
    by = listing.order.by or next(iter(sorts))
    if by not in sorts:
        raise InvalidDefinition(f"order must be one of {', '.join(sorts)}")
    columns = [table.c[name] for name in (*sorts[by], "id")]
    return in_order(narrowed(found, table, noun, listing), columns, listing.order)


def in_order(
    found: Statement, columns: Sequence[Column[object]], order: Order
) -> Statement:
    """Sort by these columns, in all of which an index is read in one direction."""
    if order.descending:
        return found.order_by(*(column.desc() for column in columns))
    return found.order_by(*columns)


def narrowed(found: Statement, table: Table, noun: Noun, listing: Listing) -> Statement:
    """Narrow `found`, of that table, to what the listing asks for, on all pages."""
    if listing.name is not None:
        found = found.where(is_like(table.c.folded, listing.name))
    for name, value in listing.exactly.items():
        if name not in table.c:
            raise InvalidDefinition(f"a {noun} is not listed by {name}")
        found = found.where(table.c[name] == value)
    for tag in listing.tags:
        found = found.where(_carries(table, noun, tag))
    if listing.reach is not None:
        found = found.where(*within(table, noun, listing.reach))
    return found


async def keep_tags(connection: AsyncConnection, noun: Noun, tagged: Tagged) -> None:
    """Replace the tags that a definition is found by."""
    await forget_tags(connection, noun, tagged.id)
    if tagged.tags:
        of = {"profile": tagged.profile, "noun": noun, "subject": tagged.id}
        rows = [{**of, "key": tag.key, "value": tag.value} for tag in tagged.tags]
        await connection.execute(insert(tags_table), rows)


async def forget_tags(connection: AsyncConnection, noun: Noun, subject: str) -> None:
    """Remove the tags of a definition that is deleted."""
    await connection.execute(
        delete(tags_table).where(
            tags_table.c.noun == noun, tags_table.c.subject == subject
        )
    )


def _carries(table: Table, noun: Noun, tag: Tag | PartOfTag) -> ColumnElement[bool]:
    carried = tags_table.c
    alike = [carried.noun == noun, carried.subject == table.c.id]
    if tag.key is not None:
        # A database may begin with the few that carry it, of this profile.
        alike += [carried.profile == table.c.profile, carried.key == tag.key]
    if tag.value is not None:
        alike.append(carried.value == tag.value)
    return exists(select(carried.key).where(and_(*alike)))


async def require_own_name(
    connection: AsyncConnection, table: Table, noun: Noun, tagged: Tagged, name: str
) -> None:
    """Raise InvalidDefinition if another definition of its profile has the name."""
    alike = select(table.c.id).where(
        table.c.profile == tagged.profile,
        table.c.name == name,
        table.c.id != tagged.id,
    )
    taken = (await connection.execute(alike.limit(1))).scalar()
    if taken is not None:
        raise InvalidDefinition(
            f"there is another {noun} of this name, {taken}: edit that one, or choose"
            " another name"
        )
