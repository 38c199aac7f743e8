"""Query: what a list of TagoIO's is asked for, as its SDKs encode it.

JavaScript numbers what repeats, Python repeats the name; booleans are `false` from the
one and `False` from the other:

    fields[0]=id&fields[1]=key&filter[active]=false&orderBy=key,asc&page=1&amount=20
    fields=id&fields=key&filter[active]=False&filter[tags][0][key]=k&filter[tags][0]…

A refusal names what there is, and never repeats what was sent.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from keyrelay.api.query_string import Pairs, parse_pairs
from keyrelay.model.analysis import parse_run_on
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.tags import LONGEST_TAG, MOST_TAGS, Tag, Tags
from keyrelay.stores.definitions.listing import (
    LAST_PAGE,
    MOST_LISTED,
    Listing,
    Order,
    Page,
)

LONGEST_TEXT = 1000  # code points of a filter
_INDEX = re.compile("[0-9]{0,4}")  # none in `fields[]`
_STARS = re.compile(r"\*{2,}")

Path = tuple[str, ...]
Values = dict[Path, str]


class Filter(Enum):
    """What a filter narrows a list by."""

    ID = auto()
    NAME = auto()  # `*` stands for any text
    ACTIVE = auto()
    RUN_ON = auto()  # where an analysis runs
    TAGS = auto()  # all must be carried


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRules:
    """What a list can be asked for, and what it is when it is asked for nothing.

    `filters` are by the name that they have in the query.
    """

    fields: tuple[str, ...]
    default_fields: tuple[str, ...]
    orders: tuple[str, ...]
    default_order: str
    filters: Mapping[str, Filter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which definitions, in which order, and which of their fields."""

    fields: tuple[str, ...]
    listing: Listing


def parse_query(raw: bytes | str, rules: QueryRules) -> Query:
    """Read the query of a list, or raise InvalidDefinition.

    Fields that the list does not have are ignored, as TagoIO does. A filter that it
    does not have is refused: ignored, it would return what was not asked for.
    """
    fields, left = _gathered(parse_pairs(raw))
    known = tuple(field for field in rules.fields if field in fields)
    number = whole_number(left.pop(("page",), "1"), "page", most=LAST_PAGE)
    amount = whole_number(left.pop(("amount",), "20"), "amount", most=MOST_LISTED)
    order = _order(left.pop(("orderBy",), None), rules)
    listing = Listing(page=Page(number, amount), order=order)
    listing = _narrowed(listing, left, rules)
    _require_none(left, rules)
    return Query(fields=known if fields else rules.default_fields, listing=listing)


def whole_number(text: str, what: str, *, most: int) -> int:
    """Read a whole number from 1 to `most`, or raise InvalidDefinition."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not digits or not 1 <= int(text) <= most:
        raise InvalidDefinition(f"{what} must be a whole number from 1 to {most}")
    return int(text)


def _true_or_false(text: str, what: str) -> bool:
    """Read a boolean as either SDK writes it, or raise InvalidDefinition."""
    if text not in {"true", "True", "false", "False"}:
        raise InvalidDefinition(f"{what} must be true or false")
    return text in {"true", "True"}


def _gathered(pairs: Pairs) -> tuple[Collection[str], Values]:
    """Return the fields, which repeat, and all else, which must not."""
    fields: set[str] = set()
    values: Values = {}
    for name, value in pairs:
        match _path(name):
            case ("fields",):
                fields.add(value)
            case ("fields", index) if _INDEX.fullmatch(index):
                fields.add(value)
            case path if path in values:
                raise InvalidDefinition(
                    "page, amount, orderBy and each filter are given once at most"
                )
            case path:
                values[path] = value
    return fields, values


def _path(name: str) -> Path:
    """Return `filter`, `tags`, `0`, `key` for `filter[tags][0][key]`.

    What is no such name is returned whole, and is then unknown.
    """
    head, bracket, inner = name.partition("[")
    if not bracket or not inner.endswith("]"):
        return (name,)
    return (head, *inner.removesuffix("]").split("]["))


def _order(text: str | None, rules: QueryRules) -> Order:
    if text is None:
        return Order(by=rules.default_order)
    by, _, direction = text.partition(",")
    if by not in rules.orders or direction not in {"asc", "desc"}:
        raise InvalidDefinition(
            f"orderBy must be one of {', '.join(rules.orders)}, then a comma, then asc"
            " or desc"
        )
    return Order(by=by, descending=direction == "desc")


def _narrowed(listing: Listing, left: Values, rules: QueryRules) -> Listing:
    """Take the filters that there are out of `left` and apply them."""
    for what, filter_ in rules.filters.items():
        if filter_ is Filter.TAGS:
            listing = replace(listing, tags=_taken_tags(left, what))
        elif (value := left.pop(("filter", what), None)) is None:
            continue
        elif filter_ is Filter.ACTIVE:
            active = _true_or_false(value, f"filter[{what}]")
            listing = _exactly(listing, active=active)
        elif filter_ is Filter.RUN_ON:
            listing = _exactly(listing, run_on=parse_run_on(value))
        elif filter_ is Filter.ID:
            listing = _exactly(listing, id=_text(value, f"filter[{what}]"))
        else:
            # Each star would cost the database a search of its own.
            pattern = _STARS.sub("*", _text(value, f"filter[{what}]"))
            listing = replace(listing, name=pattern)
    return listing


def _exactly(listing: Listing, **columns: bool | str) -> Listing:
    return replace(listing, exactly={**listing.exactly, **columns})


def _text(value: str, what: str) -> str:
    if not 1 <= len(value) <= LONGEST_TEXT:
        raise InvalidDefinition(
            f"{what} must have 1 to {LONGEST_TEXT} characters: leave it out to find all"
        )
    return value


def _taken_tags(left: Values, what: str) -> Tags:
    """Take the pairs of key and value out of `left`, all of which must be carried."""
    indices = {
        path[2]: None
        for path in left
        if path[:2] == ("filter", what) and len(path) == 4
    }
    if len(indices) > MOST_TAGS:
        raise InvalidDefinition(f"filter[{what}] must have at most {MOST_TAGS} entries")
    return tuple(
        Tag(
            _taken_label(left, ("filter", what, index, "key")),
            _taken_label(left, ("filter", what, index, "value")),
        )
        for index in indices
        if _INDEX.fullmatch(index)
    )


def _taken_label(left: Values, path: Path) -> str:
    label = left.pop(path, "")
    if not 1 <= len(label) <= LONGEST_TAG:
        raise InvalidDefinition(
            f"filter[{path[1]}] must have a key and a value for each tag, of 1 to"
            f" {LONGEST_TAG} characters"
        )
    return label


def _require_none(left: Values, rules: QueryRules) -> None:
    if any(path[0] == "filter" for path in left):
        raise InvalidDefinition(
            f"filter must be one of {', '.join(rules.filters)}; tags are a list of keys"
            " and values"
        )
    if left:
        raise InvalidDefinition(
            "a list is asked for with page, amount, fields, orderBy and filter"
        )
