"""Listing: one page of a list, as its address asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from keyrelay.console.own_api import ApiQuestion, Document, OwnApi
from keyrelay.console.visit import Visit
from keyrelay.model.documents import InvalidDefinition

AMOUNT = 50  # rows a page

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Rows, and the addresses of the first and the next page; None, there is none.

    `given` are the filters that narrow it, as the address has them, and `order` is how
    it is sorted.
    """

    rows: Sequence[Document]
    given: Mapping[str, str]
    order: str
    first: str | None
    next: str | None

    @property
    def is_narrowed(self) -> bool:
        return any(self.given.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedList:
    """A list of definitions, which goes by numbers of pages.

    `fields` are what its rows tell, and `filters` the names of those that the address
    may have: `tag` is one of `key=value`, each other is the API's own.
    """

    path: str
    fields: Sequence[str]
    filters: Sequence[str]

    async def page(self, visit: Visit) -> ListPage:
        """Raises InvalidDefinition, and as the route does."""
        number = page_number(visit.query.text("page"))
        given = {name: visit.query.text(name) for name in self.filters}
        order = visit.query.text("order")
        asked = [
            *(("fields", field) for field in self.fields),
            *([("orderBy", order)] if order else []),
            *_filters(given),
        ]
        rows = await self._rows(visit.api, asked, number, AMOUNT)
        more = len(rows) == AMOUNT and await self._rows(
            visit.api, asked, number * AMOUNT + 1, 1
        )
        narrowed = {name: text for name, text in given.items() if text}
        kept = {**narrowed, **({"order": order} if order else {})}
        return ListPage(
            rows=rows,
            given=given,
            order=order,
            first=None if number == 1 else _address(kept),
            next=_address({**kept, "page": str(number + 1)}) if more else None,
        )

    async def _rows(
        self, api: OwnApi, asked: Pairs, number: int, amount: int
    ) -> Sequence[Document]:
        paged = [*asked, ("page", str(number)), ("amount", str(amount))]
        return await api.results(self.path, ApiQuestion(query=paged))


def page_number(text: str) -> int:
    """Raises InvalidDefinition."""
    if text and not (text.isascii() and text.isdigit() and len(text) < 7):
        raise InvalidDefinition("page is a whole number")
    return max(1, int(text or "1"))


def _filters(given: Mapping[str, str]) -> Pairs:
    """Return the filters as TagoIO's clients encode them."""
    pairs = []
    for name, text in given.items():
        if name == "tag" and text:
            key, _, value = text.partition("=")
            pairs += [("filter[tags][0][key]", key.strip())]
            pairs += [("filter[tags][0][value]", value.strip())] if value else []
        elif text:
            pairs.append((f"filter[{name}]", text))
    return pairs


def _address(given: Mapping[str, str]) -> str:
    return f"?{urlencode(given)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorList:
    """A list that goes on from a cursor, as those that grow without bound do.

    `name` is that of the rows in the API's answer. `always` is asked for beside what
    the address has.
    """

    path: str
    name: str
    filters: Sequence[str]
    always: Pairs = ()

    async def page(self, visit: Visit, about: Pairs = ()) -> ListPage:
        """Return what the address asks for, of what `about` narrows it to in any case.

        Raises as the route does.
        """
        given = {name: visit.query.text(name) for name in self.filters}
        narrowed = {name: text for name, text in given.items() if text}
        after = visit.query.text("after")
        set_ = [*about, *narrowed.items(), *self.always]
        asked = [*set_, ("amount", str(AMOUNT))]
        if after:
            asked.append(("after", after))
        question = ApiQuestion(ids=visit.ids, query=asked)
        answered = await visit.api.result(self.path, question)
        rows, goes_on = answered[self.name], answered["next"]
        assert isinstance(rows, list)
        return ListPage(
            rows=rows,
            given=given,
            order="",
            first=_address(narrowed) if after else None,
            next=_address({**narrowed, "after": str(goes_on)}) if goes_on else None,
        )
