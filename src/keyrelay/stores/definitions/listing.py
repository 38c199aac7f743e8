"""Definitions: what secrets, actions and policies have in common when kept."""

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
from keyrelay.model.tags import Tag, Tags
from keyrelay.stores.schema.tables import tags as tags_table

MOST_LISTED = 10_000


class Noun(StrEnum):
    SECRET = "secret"  # noqa: S105 - the word, not one
    ACTION = "action"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which things, in which order. In `name`, a `*` stands for any text."""

    page: int = 1
    amount: int = 20
    order: str | None = None
    descending: bool = False
    name: str | None = None
    tags: Tags = ()

    def __post_init__(self) -> None:
        if self.page < 1 or not 1 <= self.amount <= MOST_LISTED:
            raise InvalidDefinition(
                f"page counts from 1, amount goes from 1 to {MOST_LISTED}"
            )


def fold(name: str) -> str:
    """Return the name as it is searched and sorted, in every database alike."""
    return name.casefold()


def listed(
    things: Select[tuple[object, ...]],
    table: Table,
    noun: Noun,
    listing: Listing,
    orders: Mapping[str, str],
) -> Select[tuple[object, ...]]:
    """Narrow `things` of the table down; `orders` leads from words to columns.

    The first of the orders is the one that is not asked for.
    """
    wanted = listing.order or next(iter(orders))
    if wanted not in orders:
        raise InvalidDefinition(f"order must be one of {', '.join(orders)}")
    column = table.c[orders[wanted]]
    if listing.name is not None:
        pattern = _pattern(fold(listing.name))
        things = things.where(table.c.folded.like(pattern, escape="\\"))
    for tag in listing.tags:
        things = things.where(_carries(table, noun, tag))
    return (
        things.order_by(column.desc() if listing.descending else column, table.c.id)
        .limit(listing.amount)
        .offset((listing.page - 1) * listing.amount)
    )


async def keep_tags(
    connection: AsyncConnection, noun: Noun, subject: str, tags: Tags
) -> None:
    """Replace what the thing is found by; the last step of deleting it, too."""
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
