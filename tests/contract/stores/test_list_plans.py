"""Lists of very many definitions are read by an index, on both databases.

`KEYRELAY_TEST_ROWS` says how many there are of each noun.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from keyrelay.model.policy.reach import Reach, Selection
from keyrelay.model.tags import Tag
from keyrelay.stores.audit.record_query import AuditQuery, place_of
from keyrelay.stores.definitions.listing import (
    FIRST_PAGE,
    Listing,
    Noun,
    Order,
    Page,
    PartOfTag,
)
from keyrelay.stores.definitions.tag_keys import tag_keys
from tests.contract.stores.house import House
from tests.contract.stores.plans import Plan, planned
from tests.samples import NOON, OTHER_PROFILE, PROFILE

_TOGETHER = 50_000  # rows of one statement
ROWS = int(os.environ.get("KEYRELAY_TEST_ROWS", "20000"))
_PATIENCE = 120 + ROWS // 1000  # seconds

# Half of them are another profile's.
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "secrets": {
        "key": "'name-' || n",
        "folded": "'name-' || n",
        "type": "'text'",
        "tags": """'{{"tags": []}}'""",
        "envelope": "{blob}",
        "value_length": "1",
        "fifo": "{false}",
        "version": "1",
    },
    "actions": {
        "name": "'name-' || n",
        "folded": "'name-' || n",
        "active": "n % 10 > 1",
        "secret": "{id}",
        "document": "'{{}}'",
    },
    "policies": {
        "name": "'name-' || n",
        "folded": "'name-' || n",
        "active": "n % 10 > 1",
        "document": "'{{}}'",
    },
    "analyses": {
        "name": "'name-' || n",
        "folded": "'name-' || n",
        "active": "n % 10 > 1",
        "run_on": "CASE WHEN n % 10 > 5 THEN 'external' ELSE 'tago' END",
        "document": "'{{}}'",
        "versions": "'[]'",
    },
}
_NOUNS = {
    "secrets": "secret",
    "actions": "action",
    "policies": "policy",
    "analyses": "analysis",
}
_SQLITE = {
    "numbers": "WITH RECURSIVE numbers(n) AS"
    " (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})",
    "id": "printf('%024x', n)",
    "blob": "x'00'",
    "false": "0",
    "at": "datetime('2030-01-01', (n * 7919 % 100000) || ' minutes')",
}
_POSTGRESQL = {
    "numbers": "WITH numbers(n) AS (SELECT generate_series({first}, {last}))",
    "id": "lpad(to_hex(n), 24, '0')",
    "blob": "'\\x00'::bytea",
    "false": "false",
    "at": "timestamptz '2030-01-01' + n::bigint * 7919 % 100000 * interval '1 minute'",
}


def spans() -> Iterator[Mapping[str, int]]:
    """Yield parts of all rows: a database that takes long does not answer, for us."""
    for first in range(1, ROWS + 1, _TOGETHER):
        yield {"first": first, "last": min(first + _TOGETHER - 1, ROWS)}


async def crowd(house: House) -> None:
    """Fill the tables as nobody would by hand: they are read by lists alone."""
    said = _POSTGRESQL if house.database.is_shared else _SQLITE
    for span in spans():
        await house.break_in(*crowding(said, said["numbers"].format(**span)))
    await house.break_in("ANALYZE")


def crowding(said: Mapping[str, str], numbers: str) -> Sequence[str]:
    profile = f"CASE WHEN n % 2 = 0 THEN '{PROFILE}' ELSE '{OTHER_PROFILE}' END"
    statements = list[str]()
    for table, columns in _COLUMNS.items():
        values = {name: value.format(**said) for name, value in columns.items()}
        values |= {"id": said["id"], "profile": profile}
        values |= {"created_at": said["at"], "updated_at": said["at"]}
        into, chosen = ", ".join(values), ", ".join(values.values())
        statements.append(
            f"INSERT INTO {table} ({into}) {numbers}"  # noqa: S608
            f" SELECT {chosen} FROM numbers"
        )
        for key, value in (("site", "'north'"), ("team", "'team-' || (n % 1000)")):
            statements.append(
                "INSERT INTO tags (noun, subject, profile, key, value)"  # noqa: S608
                f" {numbers} SELECT '{_NOUNS[table]}', {said['id']}, {profile},"
                f" '{key}', {value} FROM numbers"
            )
    statements += [
        "INSERT INTO last_times (profile, noun, id, at)"  # noqa: S608
        f" {numbers} SELECT {profile}, '{noun}', {said['id']}, {said['at']}"
        " FROM numbers WHERE n % 4 < 2"
        for noun in ("action", "analysis")
    ]
    return statements


_SORTS_ALL = re.compile(r"(?<!Incremental )Sort  \(cost|TEMP B-TREE FOR ORDER BY")
BY_NAME = ["name", "active", "created_at", "updated_at"]


def reach(
    *, everything: bool = False, ids: Iterable[str] = (), tags: Iterable[Tag] = ()
) -> Reach:
    """Return a reach of these, less one that is denied by its tag."""
    denied = frozenset({Tag("team", "team-9")})
    return Reach(
        allowed=Selection(
            everything=everything, ids=frozenset(ids), tags=frozenset(tags)
        ),
        denied=Selection(everything=False, ids=frozenset(), tags=denied),
    )


# Of these an index finds the few, and to sort the few is not to sort all.
NARROW = [
    Listing(exactly={"id": f"{8:024x}"}),
    Listing(name="name-78"),
    Listing(name="name-778*"),
    Listing(tags=(Tag("team", "team-8"),)),
    Listing(tags=(Tag("site", "north"), Tag("team", "team-8"))),
    Listing(reach=reach(ids={f"{8:024x}"})),
]
WIDE = [
    Listing(),
    Listing(page=Page(ROWS // 80)),
    Listing(name="*8*"),
    Listing(tags=(Tag("site", "north"),)),
    Listing(tags=(PartOfTag(key="site"),)),
    Listing(tags=(PartOfTag(value="north"),)),
    Listing(reach=reach(everything=True)),
    Listing(reach=reach(tags={Tag("site", "north"), Tag("team", "team-8")})),
]
ACTIVE = [
    Listing(exactly={"active": True}),
    Listing(exactly={"active": False}),
    Listing(exactly={"active": True}, name="*8"),
]
RUN_ON = [
    Listing(exactly={"run_on": "external"}),
    Listing(exactly={"run_on": "tago"}),
]


class Listed(Protocol):
    async def list(self, profile: str, listing: Listing) -> Sequence[object]: ...


def in_each_order(listings: Sequence[Listing], orders: Sequence[str]) -> list[Listing]:
    return [
        replace(listing, order=Order(by=by, descending=descending))
        for listing in listings
        for by in orders
        for descending in (False, True)
    ]


async def plan_of(house: House, store: Listed, listing: Listing) -> Plan:
    async with planned(house.database) as plan:
        found = await store.list(PROFILE, listing)
    assert found
    return plan


@pytest.mark.timeout(_PATIENCE)
async def test_whatever_is_listed_is_read_by_an_index(house: House) -> None:
    await crowd(house)
    analyses = house.analyses.documents

    for store, orders, more in (
        (house.secrets, ["key"], []),
        (house.actions, BY_NAME, ACTIVE),
        (house.policies, BY_NAME, ACTIVE),
        (analyses, [*BY_NAME, "run_on"], [*ACTIVE, *RUN_ON]),
    ):
        for listing in in_each_order([*WIDE, *more], orders):
            plan = await plan_of(house, store, listing)
            assert (plan.whole_tables, plan.sorts) == ([], []), (listing, plan.text)
        for listing in in_each_order(NARROW, orders):
            plan = await plan_of(house, store, listing)
            assert plan.whole_tables == [], (listing, plan.text)

    # A page far down is as far along two indexes: PostgreSQL would rather read all.
    first_pages = [listing for listing in WIDE if listing.page == FIRST_PAGE]
    for last, by in ((house.actions, "last_triggered"), (analyses, "last_run")):
        for listing in in_each_order([*first_pages, *ACTIVE], [by]):
            plan = await plan_of(house, last, listing)
            assert (plan.whole_tables, plan.sorts) == ([], []), (listing, plan.text)
        for listing in in_each_order(NARROW, [by]):
            plan = await plan_of(house, last, listing)
            assert plan.whole_tables == [], (listing, plan.text)

    async with planned(house.database) as plan:
        assert await tag_keys(house.database, PROFILE, Noun.SECRET) == ["site", "team"]
        assert await house.secrets.users(PROFILE, f"{8:024x}") == {f"{8:024x}"}
    assert plan.whole_tables == [], plan.text


async def fill_trail(house: House) -> None:
    """Fill it with attempts of a few actions; in fifty, a change and a release."""
    said = _POSTGRESQL if house.database.is_shared else _SQLITE
    few = said["id"].replace("n)", "n % 20)", 1)
    if house.database.is_shared:
        few = "lpad(to_hex(n % 20), 24, '0')"
    values = {
        "chain": f"'{'c' * 24}'",
        "seq": "n + 1000",
        "id": said["id"],
        "kind": "CASE n % 50 WHEN 0 THEN 'change' WHEN 1 THEN 'release'"
        " ELSE 'attempt' END",
        "profile": f"'{PROFILE}'",
        "trigger": "'t' || (n / 4)",
        "action": few,
        "at": said["at"],
        "document": """'{{"kind": "attempt"}}'""",
        "mac": said["blob"],
    }
    for span in spans():
        await house.break_in(
            f"INSERT INTO audit_records ({', '.join(values)})"  # noqa: S608
            f" {said['numbers'].format(**span)}"
            f" SELECT {', '.join(values.values())} FROM numbers"
        )
    await house.break_in("ANALYZE")


@pytest.mark.timeout(_PATIENCE)
async def test_whatever_records_are_listed_are_read_by_an_index(house: House) -> None:
    await fill_trail(house)
    middle = NOON + timedelta(days=40)
    place = place_of(middle, "c" * 24, 7)

    for having, index in (
        (AuditQuery(), "profile_at"),
        (AuditQuery(kind="attempt"), "profile_at"),
        (AuditQuery(kind="change"), "changes"),
        (AuditQuery(kind="release"), "releases"),
        (AuditQuery(action=f"{3:024x}"), "profile_action_at"),
        (AuditQuery(action=f"{3:024x}", kind="attempt"), "profile_action_at"),
        (AuditQuery(trigger="t17"), "profile_trigger"),
    ):
        since, after = replace(having, since=NOON), replace(having, after=place)
        for query in (having, since, after):
            async with planned(house.database) as plan:
                found = await house.trail.list(PROFILE, query)
            assert found or query.trigger, query
            assert plan.whole_tables == [], (query, plan.text)
            assert f"ix_audit_records_{index} " in plan.text, (query, plan.text)
            # Records of one moment are sorted, and those of one trigger.
            if query.trigger is None:
                assert not _SORTS_ALL.search(plan.text), (query, plan.text)
