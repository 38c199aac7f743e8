"""Reaching: the definitions that policies let a target reach, as conditions of SQL."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Table, exists, false, not_, or_, select, tuple_

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.reach import Reach, Selection
from keyrelay.stores.schema.tables import tags

# Each is a value of the statement, a tag is two: databases take 32766.
MOST_REACHED_BY = 10_000


def within(table: Table, noun: str, reach: Reach) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that only what the reach includes meets.

    Tags are sought where definitions are searched by them, which no seal vouches for:
    what is found is judged by the catalog before it is shown. Raises InvalidDefinition.
    """
    if reach.allowed.size + reach.denied.size > MOST_REACHED_BY:
        raise InvalidDefinition(
            f"policies name more than {MOST_REACHED_BY} ids and tags for this target,"
            " so that nothing can be listed: name what they are about by one tag"
        )
    if not reach.allowed.everything:
        yield _is_selected(table, noun, reach.allowed)
    if not reach.denied.is_empty:
        yield not_(_is_selected(table, noun, reach.denied))


def _is_selected(table: Table, noun: str, selection: Selection) -> ColumnElement[bool]:
    if selection.everything:
        return not_(false())
    either: list[ColumnElement[bool]] = [false()]
    if selection.ids:
        either.append(table.c.id.in_(sorted(selection.ids)))
    if selection.tags:
        pairs = sorted((tag.key, tag.value) for tag in selection.tags)
        carried = select(tags.c.key).where(
            tags.c.profile == table.c.profile,
            tags.c.noun == noun,
            tags.c.subject == table.c.id,
            tuple_(tags.c.key, tags.c.value).in_(pairs),
        )
        either.append(exists(carried))
    return or_(*either)
