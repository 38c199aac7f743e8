"""Listing: how definitions are searched, sorted and paged."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    delete,
    exists,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.tags import Tag, Tagged, Tags
from keyrelay.stores.schema.tables import tags as tags_table
from keyrelay.stores.unreadable import Slice

MOST_LISTED = 10_000


class Noun(StrEnum):
    SECRET = "secret"  # noqa: S105 - the word, not one
    ACTION = "action"
    POLICY = "policy"
    TOKEN = "token"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which of its orders a list is sorted; None is its first."""

    by: str | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which definitions, in which order. In `name`, `*` stands for any text.

    `active` is about actions and policies, which alone can be inactive.
    """

    page: int = 1
    amount: int = 20
    order: Order = Order()
    name: str | None = None
    active: bool | None = None
    tags: Tags = ()

    def __post_init__(self) -> None:
        if self.page < 1 or not 1 <= self.amount <= MOST_LISTED:
            raise InvalidDefinition(
                f"page counts from 1, amount goes from 1 to {MOST_LISTED}"
            )

    @property
    def slice(self) -> Slice:
        """The rows that are on the page."""
        return Slice((self.page - 1) * self.amount, self.amount)


def fold(name: str) -> str:
    """Return the name as it is searched and sorted, the same in every database."""
    return name.casefold()


def listed(
    found: Select[tuple[object, ...]],
    table: Table,
    noun: Noun,
    listing: Listing,
    sorts: Mapping[str, str],
) -> Select[tuple[object, ...]]:
    """Narrow `found`, of that table, to what the listing asks for, on all pages.

    `sorts` are the columns by the name of their order; the first is the default.
    """
    by = listing.order.by or next(iter(sorts))
    if by not in sorts:
        raise InvalidDefinition(f"order must be one of {', '.join(sorts)}")
    column = table.c[sorts[by]]
    if listing.name is not None:
        pattern = _pattern(fold(listing.name))
        found = found.where(table.c.folded.like(pattern, escape="\\"))
    if listing.active is not None:
        found = found.where(table.c.active == listing.active)
    for tag in listing.tags:
        found = found.where(_carries(table, noun, tag))
    ordered = column.desc() if listing.order.descending else column
    return found.order_by(ordered, table.c.id)


async def keep_tags(
    connection: AsyncConnection, noun: Noun, subject: str, tags: Tags
) -> None:
    """Replace the tags that a definition is found by; () when it is deleted."""
    await connection.execute(
        delete(tags_table).where(
            tags_table.c.noun == noun, tags_table.c.subject == subject
        )
    )
    if tags:
        rows = [
            {"noun": noun, "subject": subject, "key": tag.key, "value": tag.value}
            for tag in tags
        ]
        await connection.execute(insert(tags_table), rows)


def _pattern(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return text.replace("*", "%")


def _carries(table: Table, noun: Noun, tag: Tag) -> ColumnElement[bool]:
    carried = tags_table.c
    return exists(
        select(carried.key).where(
            and_(
                carried.noun == noun,
                carried.subject == table.c.id,
                carried.key == tag.key,
                carried.value == tag.value,
            )
        )
    )


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
