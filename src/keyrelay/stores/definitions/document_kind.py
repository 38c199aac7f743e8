"""Document kinds: how definitions that are stored as they were sent are told apart."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.tags import Tagged
from keyrelay.stores.definitions.definition_index import TABLES
from keyrelay.stores.definitions.journal import Writing
from keyrelay.stores.definitions.listing import Noun, Sorts


class Definition(Protocol):
    @property
    def tagged(self) -> Tagged: ...
    @property
    def name(self) -> str: ...
    @property
    def active(self) -> bool: ...


D = TypeVar("D", bound=Definition)

Document = Mapping[str, object]


_SORTS: Sorts = {
    "name": ["folded"],
    "active": ["active", "folded"],
    "created_at": ["created_at"],
    "updated_at": ["updated_at"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The orders of all documents, and those that only one noun has.

    `last_time` is the order by what is kept beside them in stores/last_times.py.
    """

    own: Sorts = field(default_factory=dict)
    last_time: str | None = None

    @property
    def sorts(self) -> Sorts:
        return {**_SORTS, **self.own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion(Generic[D]):
    """What is made, changed and deleted with a definition, in its transaction.

    It may be sealed: the keys for that are at hand when the transaction begins.
    `edited` is given what the definition was, and what it is.
    """

    created: Callable[[Writing, D], Awaitable[None]]
    edited: Callable[[Writing, D, D], Awaitable[None]]
    deleted: Callable[[Writing, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind(Generic[D]):
    """How the definitions of one noun are parsed, checked and stored.

    `columns` returns the columns that only its table has. `check` raises
    InvalidDefinition for what refers to something that is missing or does not fit.
    `orders` are those of its lists, `companion` what a definition has beside it.
    """

    noun: Noun
    parse: Callable[[Document, str, str], D]
    columns: Callable[[D], Mapping[str, object]]
    check: Callable[[AsyncConnection, D], Awaitable[None]]
    orders: Orders = field(default_factory=Orders)
    companion: Companion[D] | None = None

    @property
    def table(self) -> Table:
        return TABLES[self.noun]
