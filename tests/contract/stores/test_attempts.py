"""Attempts: listed and counted beside their records, never without them."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from keyrelay.model.audit import LOCKED, AttemptRecord, Evidence, Report
from keyrelay.model.outcome import (
    LEASE_LOST,
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
    Uncertain,
)
from keyrelay.model.settlement import Done, TryAgain
from keyrelay.ports import Unavailable
from keyrelay.stores.attempts import AttemptFilter, AttemptQuery, MinuteCount
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.schema.attempt_tables import ATTEMPT_TABLES
from keyrelay.stores.schema.migrations import migrate
from tests.contract.stores.ground import Ground, on_sqlite
from tests.contract.stores.house import ADA, BEFORE_ANALYSES, House, mail_action
from tests.contract.stores.records import attempt, record
from tests.samples import MAIL_ACTION, MAIL_SECRET, NOON, OTHER_PROFILE, PROFILE

R = ReasonClass
SECOND = timedelta(seconds=1)
RATE = Deferred("slowly", blame=Blame.RATE)
DENIED = Rejected("no", Fault.DEFINITION, why=R.DENIED)
NOTHING_ALONE = (
    "SELECT count(*) FROM audit_records LEFT JOIN attempts"
    " ON attempts.id = audit_records.id AND attempts.profile = audit_records.profile"
    " WHERE kind = 'attempt' AND attempts.id IS NULL",
    "SELECT count(*) FROM attempts LEFT JOIN audit_records"
    " ON attempts.id = audit_records.id AND attempts.profile = audit_records.profile"
    " WHERE audit_records.id IS NULL",
)


def ended(
    trigger: str, seconds: float, outcome: Outcome, action: str = MAIL_ACTION
) -> AttemptRecord:
    """Return the record of an attempt that ended so many seconds after noon."""
    plain = attempt(trigger)
    return replace(
        plain,
        attempt=replace(plain.attempt, action=action),
        report=Report(outcome=outcome, evidence=Evidence(secret=MAIL_SECRET)),
        at=NOON + seconds * SECOND,
    )


async def keep(house: House, *records: AttemptRecord) -> None:
    await house.audit_log.keep_records(records)


async def listed(
    house: House, query: AttemptQuery, profile: str = PROFILE
) -> list[str]:
    page = await house.attempts.list(profile, query)
    return [one.trigger for one in page.attempts]


async def alone(house: House) -> list[object]:
    """Return how many records have no place in the list, and the other way round."""
    return [(await house.look(sql))[0][0] for sql in NOTHING_ALONE]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (AttemptQuery(), ["t4", "t3", "t2", "t1"]),
        (AttemptQuery(amount=2), ["t4", "t3"]),
        (AttemptQuery(having=AttemptFilter(trigger="t2")), ["t2"]),
        (AttemptQuery(having=AttemptFilter(action=MAIL_ACTION)), ["t3", "t2", "t1"]),
        (AttemptQuery(having=AttemptFilter(action="0" * 24)), []),
        (AttemptQuery(having=AttemptFilter(secret=MAIL_SECRET)), ["t4", "t3", "t2"]),
        (AttemptQuery(having=AttemptFilter(outcome="delivered")), ["t1"]),
        (AttemptQuery(having=AttemptFilter(reason_class=R.THROTTLED)), ["t4", "t2"]),
        (
            AttemptQuery(
                having=AttemptFilter(reason_class=R.THROTTLED, action=MAIL_ACTION)
            ),
            ["t2"],
        ),
        (AttemptQuery(since=NOON + 2 * SECOND), ["t4", "t3"]),
        (AttemptQuery(until=NOON + 2 * SECOND), ["t2", "t1"]),
        (AttemptQuery(since=NOON, until=NOON), []),
    ],
)
async def test_attempts_are_listed_newest_first_by_every_filter(
    house: House, query: AttemptQuery, found: list[str]
) -> None:
    await keep(
        house,
        attempt("t1"),
        ended("t2", 1, RATE),
        ended("t3", 2, DENIED),
        ended("t4", 3, RATE, action="e" * 24),
    )

    assert await listed(house, query) == found


async def test_an_attempt_is_listed_with_what_its_record_says(house: House) -> None:
    one = ended("t1", 1.5, DENIED)
    await keep(house, one)

    (found,) = (await house.attempts.list(PROFILE, AttemptQuery())).attempts

    assert (found.id, found.at) == (one.id, one.at)
    assert (found.action, found.secret) == (MAIL_ACTION, MAIL_SECRET)
    assert (found.ending.outcome, found.ending.reason_class) == ("rejected", R.DENIED)


async def test_pages_go_on_where_the_last_one_ended_whatever_is_recorded_meanwhile(
    house: House,
) -> None:
    # Several of one moment, so that the id decides as well.
    await keep(house, *[ended(f"t{n}", n // 3, RATE) for n in range(10)])
    whole = await listed(house, AttemptQuery())
    seen, query = list[str](), AttemptQuery(amount=4)

    while True:
        page = await house.attempts.list(PROFILE, query)
        seen += [one.trigger for one in page.attempts]
        if page.after is None:
            break
        query = replace(query, after=page.after)
        await keep(house, ended(f"new-{len(seen)}", 60, RATE))

    assert seen == whole
    assert len(seen) == 10


async def test_no_profile_lists_or_counts_what_is_another_s(house: House) -> None:
    await keep(house, attempt("theirs", OTHER_PROFILE))

    assert await listed(house, AttemptQuery()) == []
    assert await house.attempts.counts(PROFILE, NOON, NOON + 60 * SECOND) == []
    assert await listed(house, AttemptQuery(), OTHER_PROFILE) == ["theirs"]


async def test_attempts_of_all_processes_are_counted_by_minute_and_outcome(
    house: House, neighbour: House
) -> None:
    other = "e" * 24
    await keep(house, *[ended(f"t{n}", n, RATE) for n in range(3)], attempt("t3"))
    await keep(house, ended("t4", 59.9, RATE), ended("t5", 60, RATE, action=other))
    await keep(neighbour, ended("t6", 30, RATE, action=other))
    minutes = [NOON, NOON + 60 * SECOND]

    every = await house.attempts.counts(PROFILE, NOON, NOON + 61 * SECOND)
    first = await house.attempts.counts(PROFILE, NOON, minutes[1])
    others = await house.attempts.counts(PROFILE, NOON, NOON + 61 * SECOND, other)

    assert every == [
        MinuteCount(minute=minutes[0], outcome="deferred", count=5),
        MinuteCount(minute=minutes[0], outcome="delivered", count=1),
        MinuteCount(minute=minutes[1], outcome="deferred", count=1),
    ]
    assert first == every[:2]
    assert [(one.minute, one.count) for one in others] == [
        (minutes[0], 1),
        (minutes[1], 1),
    ]


async def test_every_record_of_an_attempt_is_in_the_list_and_nothing_else(
    house: House,
) -> None:
    log = group_commits(house.audit_log)

    await asyncio.gather(*[log.append(attempt(f"t{n}")) for n in range(50)])
    await house.new_secret()

    assert await alone(house) == [0, 0]
    assert await house.look("SELECT count(*) FROM attempts") == [(50,)]


async def test_without_its_record_no_attempt_is_listed_or_counted(house: House) -> None:
    await house.refuse_records()

    with pytest.raises((DBAPIError, Unavailable)):
        await record(house, "t1")

    assert await listed(house, AttemptQuery()) == []
    assert await house.look("SELECT count(*) FROM attempt_counts") == [(0,)]


@pytest.mark.parametrize("table", ["attempts", "attempt_counts"])
async def test_no_record_is_kept_whose_attempt_is_not_listed_and_counted(
    house: House, table: str
) -> None:
    await house.refuse_rows(table)

    with pytest.raises((DBAPIError, Unavailable)):
        await record(house, "t1")

    assert await house.look(
        "SELECT count(*) FROM audit_records WHERE kind = 'attempt'"
    ) == [(0,)]
    assert await alone(house) == [0, 0]


async def test_an_attempt_whose_commit_had_no_answer_is_listed_and_counted_once(
    house: House,
) -> None:
    one = attempt("t1")
    await keep(house, one)
    house.audit_log._state.position = None  # as after a lost answer

    await keep(house, one, attempt("t2"))

    assert sorted(await listed(house, AttemptQuery())) == ["t1", "t2"]
    counts = await house.attempts.counts(PROFILE, NOON, NOON + SECOND)
    assert [one.count for one in counts] == [2]


@on_sqlite
async def test_a_row_that_cannot_be_read_hides_no_other(
    house: House, ground: Ground
) -> None:
    await record(house, "t1", "t2", "t3")
    await house.break_in(
        "UPDATE attempts SET reason_class = 'odd' WHERE trigger = 't1'",
        "UPDATE attempts SET action = x'ff' WHERE trigger = 't2'",
    )

    assert await listed(house, AttemptQuery()) == ["t3"]
    assert await listed(house, AttemptQuery(having=AttemptFilter(trigger="t1"))) == []


# As they were made before records had a class, and the class that they get.
OLDER = [
    (Report(outcome=Delivered("250 taken")), R.DELIVERED),
    (LOCKED, R.LOCKED),
    (Report(outcome=RATE), R.THROTTLED),
    (Report(outcome=Deferred("silence", blame=Blame.PEER)), R.UNREACHABLE),
    (Report(outcome=Deferred("535 no", blame=Blame.CREDENTIAL)), R.AUTHENTICATION),
    (Report(outcome=LEASE_LOST), R.HELD),
    (Report(outcome=Deferred("greylisted")), R.REFUSED),
    (Report(outcome=Uncertain('it said "outcome":"delivered"')), R.UNCERTAIN),
    (Report(outcome=Uncertain("internal error: KeyError")), R.INTERNAL),
    (Report(outcome=Uncertain("its attempts were cut short, …")), R.CUT_SHORT),
    (Report(outcome=Rejected("no policy lets it", Fault.DEFINITION)), R.DENIED),
    (Report(outcome=Rejected("x forbids that y", Fault.DEFINITION)), R.DENIED),
    (
        Report(outcome=Rejected("there is no action 1", Fault.DEFINITION)),
        R.NO_DEFINITION,
    ),
    (
        Report(outcome=Rejected("action 'a' is inactive", Fault.DEFINITION)),
        R.NO_DEFINITION,
    ),
    (Report(outcome=Rejected("its deadline passed before", Fault.TRIGGER)), R.EXPIRED),
    (Report(outcome=Rejected("secret a does not open: b", Fault.SYSTEM)), R.UNSEALABLE),
    (Report(outcome=Rejected("the server answered 550", Fault.SYSTEM)), R.REFUSED),
    (
        Report(outcome=Rejected("a FIFO queue needs", Fault.DEFINITION)),
        R.BAD_DEFINITION,
    ),
    (Report(outcome=Rejected("no data points", Fault.TRIGGER)), R.BAD_TRIGGER),
]


async def test_attempts_on_record_before_there_was_a_list_are_listed_by_the_migration(
    house: House,
) -> None:
    secret = await house.new_secret()
    action = (await house.actions.create(PROFILE, mail_action(secret), ADA)).id
    for n, (report, _) in enumerate(OLDER):
        plain = ended(f"t{n:02}", n * 10, RATE, action)
        again = (
            TryAgain(after=SECOND, spent=False)
            if report.outcome == LEASE_LOST
            else Done()
        )
        report = replace(report, evidence=Evidence(secret=secret))
        await keep(house, replace(plain, report=report, settlement=again))
    everything = AttemptQuery(amount=100)
    before = (await house.attempts.list(PROFILE, everything)).attempts
    counted = await house.attempts.counts(PROFILE, NOON, NOON + 600 * SECOND)
    for each in R:
        await house.break_in(
            "UPDATE audit_records SET document ="  # noqa: S608 - of constants
            f""" replace(document, '"reason_class":"{each}",', '')"""
        )
    await house.break_in(
        *[f"DROP TABLE {table.name}" for table in ATTEMPT_TABLES],
        # What later migrations have made.
        *BEFORE_ANALYSES,
        "DROP INDEX ix_claims_unsettled",
        "ALTER TABLE claims DROP COLUMN action",
        "ALTER TABLE claims DROP COLUMN publisher",
        "DROP INDEX ix_audit_records_changes",
        "DROP INDEX ix_audit_records_profile_action_at",
        "UPDATE alembic_version SET version_num = '0011'",
    )

    await migrate(house.database)

    after = (await house.attempts.list(PROFILE, everything)).attempts
    assert [one.ending.reason_class for one in after][::-1] == [r for _, r in OLDER]
    assert [
        replace(a, ending=b.ending) for a, b in zip(after, before, strict=True)
    ] == [*before]
    assert [one.ending.outcome for one in after] == [
        one.ending.outcome for one in before
    ]
    assert await house.attempts.counts(PROFILE, NOON, NOON + 600 * SECOND) == counted
    assert await alone(house) == [0, 0]
    (last,) = await house.look("SELECT profile, noun, id FROM last_times")
    assert last == (PROFILE, "action", action)
