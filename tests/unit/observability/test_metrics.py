"""Metrics: what is counted and timed of a worker, and by which labels."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry

from keyrelay.model.audit import (
    LOCKED,
    AttemptIdentity,
    AttemptRecord,
    AuditRecord,
    Change,
    ChangeRecord,
    Evidence,
    Report,
)
from keyrelay.model.outcome import (
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.metrics import (
    SETTLEMENTS,
    MeteredAttempt,
    MeteredAuditLog,
    Metrics,
    new_metrics,
)
from keyrelay.ports import Lease, LeaveLane, Unavailable
from tests.fakes import FakeLease, stay
from tests.samples import DAY, MAIL_ACTION, NOON, PROFILE, a_trigger
from tests.unit.observability.observed import Queue

CHANNELS = ("email-smtp", "queue-sqs")
BY_MAIL = Evidence(channel="email-smtp")
BY_QUEUE = Evidence(channel="queue-sqs")
CHANGED = ChangeRecord(
    id="1" * 24,
    actor="cli:ada",
    profile=PROFILE,
    subject=MAIL_ACTION,
    noun="action",
    change=Change.EDITED,
    detail="",
    at=NOON,
)


def ended(
    outcome: Outcome, settlement: Settlement, evidence: Evidence = BY_MAIL
) -> AttemptRecord:
    return AttemptRecord(
        id="0" * 24,
        attempt=AttemptIdentity(
            profile=PROFILE,
            trigger="t1",
            action=MAIL_ACTION,
            number=1,
            repeats=False,
            started_at=NOON,
        ),
        report=Report(outcome=outcome, evidence=evidence),
        settlement=settlement,
        at=NOON,
    )


def buried(fault: Fault, evidence: Evidence = BY_MAIL) -> AttemptRecord:
    return ended(Rejected("no", fault), Bury(reason="no", fault=fault), evidence)


class Log:
    """An audit log in a list."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.down = False

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        return ()

    async def append(self, record: AuditRecord) -> None:
        if self.down:
            raise Unavailable("the audit log does not answer")
        self.records.append(record)


class Read:
    """A registry with the metrics, and what it exports."""

    def __init__(self, metrics: Metrics) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(metrics)

    def __call__(self, series: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"keyrelay_{series}", labels)


def ticks(*instants: float) -> Iterator[float]:
    yield from instants


def attempt_that(report: Report) -> "MeteredAttempt":
    async def attempt(_: Lease, __: LeaveLane) -> Report:
        return report

    taking = ticks(100, 100.3)
    return MeteredAttempt(
        behind=attempt,
        metrics=new_metrics(CHANNELS),
        lanes=Lanes(behind=Queue(), total=1),
        now=(NOON + timedelta(seconds=7)).timestamp,
        clock=lambda: next(taking),
    )


async def test_a_trigger_that_could_not_be_attempted_is_told_to_be_put_back() -> None:
    lanes = Lanes(behind=Queue(), total=1)

    async def attempt(_: Lease, __: LeaveLane) -> Report:
        raise Unavailable("the vault is sealed")

    timed = MeteredAttempt(
        behind=attempt,
        metrics=new_metrics(CHANNELS),
        lanes=lanes,
    )
    await lanes.lease(asyncio.Event())

    with pytest.raises(Unavailable):
        await timed.attempt(FakeLease(trigger=a_trigger()), stay)

    await lanes.lease(asyncio.Event())
    assert lanes.pace().settled == 0


async def test_an_attempt_that_leaves_its_lane_frees_it_and_is_timed_to_its_end() -> (
    None
):
    lanes, left = Lanes(behind=Queue(), total=1), asyncio.Event()
    seen: list[int] = []

    async def attempt(_: Lease, leave: LeaveLane) -> Report:
        leave()
        seen.append(lanes.busy)
        return Report(outcome=Uncertain("silence"), evidence=BY_MAIL)

    metered = replace(attempt_that(LOCKED), behind=attempt, lanes=lanes)
    await lanes.lease(asyncio.Event())
    await metered.attempt(FakeLease(trigger=a_trigger()), left.set)

    assert left.is_set()
    assert (seen, lanes.busy) == ([0], 0)
    assert lanes.pace().settled == 1
    read = Read(metered.metrics)
    assert read("attempt_seconds_sum", channel="email-smtp") == pytest.approx(0.3)


ONE_OF_EACH: list[Outcome] = [
    Delivered("250 ok"),
    Deferred("busy"),
    Uncertain("silence"),
    Rejected("no", Fault.TRIGGER),
]


async def test_a_locked_action_is_counted_apart_from_deliveries() -> None:
    metrics = new_metrics(CHANNELS)
    log = MeteredAuditLog(behind=Log(), metrics=metrics)

    await log.append(replace(ended(Delivered("250 ok"), Done()), report=LOCKED))

    read = Read(metrics)
    assert read("attempts_total", outcome="locked", channel="none") == 1
    assert read("attempts_total", outcome="delivered", channel="none") == 0
    assert (metrics.attempted("locked"), metrics.attempted("delivered")) == (1, 0)


def test_there_is_a_label_for_each_outcome_and_each_settlement() -> None:
    metrics = new_metrics(CHANNELS)

    results = [Report(outcome=outcome).result for outcome in ONE_OF_EACH]
    assert {*results, "locked"} == {result for result, _ in metrics.attempts}
    assert {type(outcome) for outcome in ONE_OF_EACH} == set(get_args(Outcome))
    assert set(SETTLEMENTS) == set(get_args(Settlement))


async def test_attempts_are_counted_by_outcome_and_channel_and_changes_are_not() -> (
    None
):
    behind, metrics = Log(), new_metrics(CHANNELS)
    log = MeteredAuditLog(behind=behind, metrics=metrics)
    again = TryAgain(after=DAY)
    records = (
        ended(Delivered("250 ok"), Done()),
        ended(Delivered("250 ok"), Done()),
        ended(Delivered("m1"), Done(), BY_QUEUE),
        ended(Deferred("busy"), again),
        ended(Uncertain("silence"), again, BY_QUEUE),
        buried(Fault.DEFINITION, Evidence()),
        CHANGED,
    )

    for record in records:
        await log.append(record)

    read = Read(metrics)
    attempts = {
        (sample.labels["outcome"], sample.labels["channel"]): sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "keyrelay_attempts_total" and sample.value
    }
    assert attempts == {
        ("delivered", "email-smtp"): 2,
        ("delivered", "queue-sqs"): 1,
        ("deferred", "email-smtp"): 1,
        ("uncertain", "queue-sqs"): 1,
        ("rejected", "none"): 1,
    }
    assert read("settlements_total", kind="done") == 3
    assert read("settlements_total", kind="try_again") == 2
    assert read("settlements_total", kind="bury") == 1
    assert behind.records == list(records)


async def test_dead_letters_are_counted_by_fault() -> None:
    metrics = new_metrics(CHANNELS)
    log = MeteredAuditLog(behind=Log(), metrics=metrics)

    for fault in (Fault.DEFINITION, Fault.TRIGGER, Fault.TRIGGER):
        await log.append(buried(fault))

    read = Read(metrics)
    assert read("dead_letters_total", fault="definition") == 1
    assert read("dead_letters_total", fault="trigger") == 2
    assert read("dead_letters_total", fault="system") == 0


async def test_what_is_not_on_record_is_not_counted() -> None:
    behind, metrics = Log(), new_metrics(CHANNELS)
    behind.down = True

    with pytest.raises(Unavailable):
        await MeteredAuditLog(behind=behind, metrics=metrics).append(
            buried(Fault.SYSTEM)
        )

    read = Read(metrics)
    assert read("settlements_total", kind="bury") == 0
    assert read("audit_append_seconds_count") == 0


async def test_how_long_a_record_takes_is_timed() -> None:
    metrics, clock = new_metrics(CHANNELS), ticks(5, 5.004)
    log = MeteredAuditLog(behind=Log(), metrics=metrics, clock=lambda: next(clock))

    await log.append(CHANGED)

    read = Read(metrics)
    assert read("audit_append_seconds_sum") == pytest.approx(0.004)
    assert read("audit_append_seconds_bucket", le="0.0025") == 0
    assert read("audit_append_seconds_bucket", le="0.005") == 1


async def test_an_attempt_is_timed_by_channel_and_a_delivery_from_raised_at() -> None:
    report = Report(outcome=Delivered("250 ok"), evidence=BY_MAIL)
    metered = attempt_that(report)

    returned = await metered.attempt(FakeLease(trigger=a_trigger()), stay)

    read = Read(metered.metrics)
    assert returned is report
    assert read("attempt_seconds_sum", channel="email-smtp") == pytest.approx(0.3)
    assert read("attempt_seconds_bucket", channel="email-smtp", le="0.25") == 0
    assert read("attempt_seconds_bucket", channel="email-smtp", le="0.5") == 1
    assert read("attempt_seconds_count", channel="queue-sqs") == 0
    assert read("delivery_seconds_sum") == 7
    assert read("delivery_seconds_bucket", le="5.0") == 0
    assert read("delivery_seconds_bucket", le="10.0") == 1


@pytest.mark.parametrize(
    ("report", "timed"),
    [
        (Report(outcome=Deferred("busy"), evidence=BY_MAIL), 1),
        (Report(outcome=Uncertain("silence"), evidence=BY_MAIL), 1),
        (Report(outcome=Deferred("paused"), evidence=BY_MAIL, held=True), 0),
        (LOCKED, 0),
    ],
    ids=["deferred", "uncertain", "held back", "locked, so nothing was sent"],
)
async def test_an_undelivered_trigger_is_not_timed_as_a_delivery(
    report: Report, timed: int
) -> None:
    metered = attempt_that(report)

    await metered.attempt(FakeLease(trigger=a_trigger()), stay)

    read = Read(metered.metrics)
    assert read("delivery_seconds_count") == 0
    assert read("attempt_seconds_count", channel="email-smtp") == timed


async def test_a_producers_clock_that_is_ahead_does_not_lower_a_sum() -> None:
    metered = attempt_that(Report(outcome=Delivered("250 ok"), evidence=BY_MAIL))
    trigger = a_trigger()
    ahead = replace(trigger.lifetime, raised_at=NOON + DAY, deadline=NOON + 2 * DAY)

    await metered.attempt(FakeLease(trigger=replace(trigger, lifetime=ahead)), stay)

    read = Read(metered.metrics)
    assert read("delivery_seconds_count") == 1
    assert read("delivery_seconds_sum") == 0


async def test_thousands_of_actions_add_no_series() -> None:
    metrics = new_metrics(CHANNELS)
    log = MeteredAuditLog(behind=Log(), metrics=metrics)
    before = series(metrics)

    for number in range(5000):
        record = buried(Fault.TRIGGER)
        id_ = f"{number:024x}"
        attempt = replace(record.attempt, action=id_, profile=id_, trigger=id_)
        evidence = Evidence(channel="queue-sqs", secret=id_, policy=id_)
        report = replace(record.report, evidence=evidence)
        await log.append(replace(record, attempt=attempt, report=report))

    assert series(metrics) == before


def series(metrics: Metrics) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in metrics.collect()
        for sample in family.samples
    }
