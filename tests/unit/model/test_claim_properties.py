"""Claims over a log, in any order of arrivals and with deaths between any two steps.

A record that was not released may arrive anywhere, at any time, again and again; that
is more than any broker does. Whoever is dead to the others may go on nevertheless, as
a process does that was frozen and thaws.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from keyrelay.model.claim import (
    SETTLED,
    Arrival,
    Busy,
    ClaimStatus,
    Ending,
    Go,
    Known,
    Withheld,
)
from tests.fakes import Clock
from tests.memory_claims import Book, MemoryClaims
from tests.samples import NOON, PROFILE

IDS = ("t1", "t2")
ENDS = ("done", "bury", "again", "unspent", "given back")
End = Literal["done", "bury", "again", "unspent", "given back"]
HOLDS = {"done": ClaimStatus.DONE, "bury": ClaimStatus.BURIED}


@dataclass(eq=False)
class Record:
    arrival: Arrival
    released: bool = False


@dataclass(eq=False)
class Attempt:
    """`ending` once its outcome is known, `put_back` once its record is in the log.

    `aside`: it lasts, and a copy of its record is in the log.
    """

    record: Record
    go: Go
    ending: Ending | None = None
    put_back: bool = False
    aside: bool = False
    written: bool = False
    lost: bool = False  # taken over while its worker was dead to the others
    begun: bool = True

    @property
    def is_told(self) -> bool:
        return self.written or self.put_back or not self.begun


@dataclass(eq=False)
class Worker:
    claims: MemoryClaims
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def is_dead(self) -> bool:
        return self.claims in self.claims.book.dead


class Log(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.records: list[Record] = []
        self.attempts: dict[str, list[Attempt]] = defaultdict(list)
        self.workers = [self.new_worker(), self.new_worker()]

    def new_worker(self) -> Worker:
        world = Clock(time=NOON).world()
        return Worker(claims=MemoryClaims(world=world, book=self.book))

    # What happens

    @rule(id_=st.sampled_from(IDS))
    def publish(self, id_: str) -> None:
        self.records.append(Record(Arrival(profile=PROFILE, id=id_)))

    @rule(id_=st.sampled_from(IDS))
    def redrive(self, id_: str) -> None:
        entry = self.book.entries.get((PROFILE, id_))
        if entry is not None and entry.status is ClaimStatus.BURIED:
            generation = entry.arrival.generation + 1
            redriven = Arrival(profile=PROFILE, id=id_, generation=generation)
            self.records.append(Record(redriven))

    @precondition(lambda self: self.waiting())
    @rule(which=st.integers(0, 99), number=st.integers(0, 1))
    def arrive(self, which: int, number: int) -> None:
        waiting = self.waiting()
        self.bring(waiting[which % len(waiting)], self.workers[number])

    @precondition(lambda self: self.under_way())
    @rule(
        which=st.integers(0, 99),
        end=st.sampled_from(ENDS),
        part=st.sampled_from("abc"),
    )
    def go_on(self, which: int, end: End, part: str) -> None:
        under_way = self.under_way()
        self.step(*under_way[which % len(under_way)], end, part)

    @precondition(lambda self: self.under_way())
    @rule(which=st.integers(0, 99))
    def last_long(self, which: int) -> None:
        under_way = self.under_way()
        _, attempt = under_way[which % len(under_way)]
        if attempt.ending is None and not attempt.aside:
            arrival, go = attempt.record.arrival, attempt.go
            sequence = arrival.sequence + 1
            copy = replace(arrival, sequence=sequence, cut=go.cut, done=go.done)
            self.records.append(Record(copy))
            attempt.aside = attempt.record.released = True

    @rule(number=st.integers(0, 1))
    def crash(self, number: int) -> None:
        self.book.dead.append(self.workers[number].claims)
        self.workers[number] = self.new_worker()

    @rule(number=st.integers(0, 1))
    def freeze(self, number: int) -> None:
        if not self.workers[number].is_dead:
            self.book.dead.append(self.workers[number].claims)

    @rule(number=st.integers(0, 1))
    def thaw(self, number: int) -> None:
        if self.workers[number].is_dead:
            self.book.dead.remove(self.workers[number].claims)

    def teardown(self) -> None:
        for number in range(len(self.workers)):
            self.thaw(number)
        for _ in range(20 * (len(self.records) + 2)):
            for worker, attempt in self.under_way():
                self.step(worker, attempt, "done", "a")
            for record in self.waiting():
                self.bring(record, self.workers[0])
        assert not self.waiting()
        assert not self.under_way()
        for record in self.records:
            entry = self.book.entries[PROFILE, record.arrival.id]
            assert entry.status in SETTLED
            assert entry.arrival.generation >= record.arrival.generation

    # How it happens

    def waiting(self) -> list[Record]:
        return [record for record in self.records if not record.released]

    def under_way(self) -> list[tuple[Worker, Attempt]]:
        return [(each, a) for each in self.workers for a in each.attempts]

    def bring(self, record: Record, worker: Worker) -> None:
        ids = {attempt.record.arrival.id for attempt in worker.attempts}
        # A process renews itself before it claims, so the dead do not.
        if worker.is_dead or record.arrival.id in ids:
            return
        match worker.claims.claim_one(record.arrival):
            case Go() as go:
                self.begin(worker, Attempt(record, go))
            case Known():
                record.released = True
            case Busy():
                assert self.living(record.arrival.id)
            case Withheld():
                raise AssertionError("no person holds anything here")

    def step(self, worker: Worker, attempt: Attempt, end: End, part: str) -> None:
        if attempt.ending is None:
            attempt.ending = ending(attempt, end, part)
            attempt.begun = end != "given back"
        elif attempt.ending.then.sequence > attempt.record.arrival.sequence and (
            not attempt.put_back
        ):
            self.records.append(Record(attempt.ending.then))
            attempt.put_back = True
        else:
            attempt.written = worker.claims.end_one(attempt.ending)
            worker.attempts.remove(attempt)
            # What is given back, or claimed by another worker now, is left as it is.
            attempt.record.released = (
                attempt.put_back
                or attempt.aside
                or (attempt.written and attempt.ending.status in SETTLED)
            )

    # What must hold

    def living(self, id_: str) -> list[Attempt]:
        return [
            attempt
            for worker, attempt in self.under_way()
            if attempt.record.arrival.id == id_
            if not worker.is_dead and not attempt.lost
        ]

    def begin(self, worker: Worker, attempt: Attempt) -> None:
        arrival, before = (
            attempt.record.arrival,
            self.attempts[attempt.record.arrival.id],
        )
        of_life = [
            a for a in before if a.record.arrival.generation == arrival.generation
        ]
        told = [a.ending.then for a in of_life if a.written and a.ending]
        assert not self.living(arrival.id)
        for other in before:
            other.lost = True
        assert all(a.record.arrival.generation <= arrival.generation for a in before)
        assert not any(a.written and is_settled(a) for a in of_life)
        assert attempt.go.cut or all(a.is_told for a in of_life)
        assert all(then.done <= attempt.go.done for then in told)
        assert all(then.sequence <= arrival.sequence for then in told)
        assert all(then.attempts < attempt.go.number for then in told)
        assert attempt.go.number <= 1 + len(of_life)
        before.append(attempt)
        worker.attempts.append(attempt)


def is_settled(attempt: Attempt) -> bool:
    return attempt.ending is not None and attempt.ending.status in SETTLED


def ending(attempt: Attempt, end: End, part: str) -> Ending:
    arrival, go = attempt.record.arrival, attempt.go
    unspent = end in ("unspent", "given back")
    later = 2 if attempt.aside else 1
    then = replace(
        arrival,
        sequence=arrival.sequence + later * (end in ("again", "unspent")),
        attempts=go.number - unspent,
        cut=go.cut,
        done=go.done if end == "given back" else go.done | {part},
    )
    status = HOLDS.get(end, ClaimStatus.PARKED)
    return Ending(claimed=arrival, status=status, then=then)


TestLog = Log.TestCase
# Most of what may go wrong takes several deaths at the wrong moments.
TestLog.settings = settings(max_examples=200, stateful_step_count=40)
