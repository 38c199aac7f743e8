import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.sqs.instruction import QueueMessages
from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.pipeline import Pipeline
from keyrelay.model.action import Action, Message
from keyrelay.model.audit import LOCKED, Evidence, Report
from keyrelay.model.catalog import Catalog, Omitted
from keyrelay.model.data_point import DataPoint
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
from keyrelay.model.revision import Revision
from keyrelay.model.secret import OpenedSecret
from keyrelay.model.settlement import STANDARD, Attempt, Bury, settle
from keyrelay.model.tags import Tagged
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.ports import StillHeld, Unavailable, Unsealable
from tests.fakes import (
    Clock,
    FakeLease,
    FakeVault,
    Outbox,
    Pass,
    admitting,
    performers,
    settled,
    stay,
)
from tests.samples import (
    ALLOW,
    DAY,
    MAIL_ACTION,
    MAIL_SECRET,
    NOON,
    OTHER_PROFILE,
    POLICY,
    PROFILE,
    QUEUE_ACTION,
    QUEUE_SECRET,
    REVISION,
    a_catalog,
    a_policy,
    a_trigger,
    an_action,
    without_policies,
)

SECOND = timedelta(seconds=1)
POINT = DataPoint({Fact.VARIABLE: "temperature", Fact.VALUE: 21}, {"value": 21})
DENY = {
    **ALLOW,
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
        {"effect": "deny", "action": ["access"], "resource": ["secrets"]},
    ],
}
RETRY = {"attempts": 3, "first_seconds": 1, "longest_seconds": 9}
PASSWORDS = {MAIL_SECRET: "hunter2", QUEUE_SECRET: "wJalr"}


@dataclass
class Bench:
    """A pipeline with its collaborators."""

    catalog: Catalog = field(default_factory=a_catalog)
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    vault: FakeVault = field(default_factory=lambda: FakeVault(PASSWORDS))
    mail: Outbox[Mail] = field(default_factory=lambda: Outbox(Mail))
    queue: Outbox[QueueMessages] = field(default_factory=lambda: Outbox(QueueMessages))
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        breaker = Breaker(
            slow_limit=2,
            circuits=Circuits(now=self.clock.now, wake=lambda _: None),
            told=lambda _: None,
        )

        self.pipeline = Pipeline(
            catalog=self._catalog_now,
            vault=self.vault,
            performers=performers({"email-smtp": self.mail, "queue-sqs": self.queue}),
            breaker=breaker,
            admit=admitting(breaker),
            now=self.clock.now,
        )

    async def _catalog_now(self, _: Revision | None) -> Catalog:
        return self.catalog

    async def attempt(
        self, trigger: Trigger | None = None, *, number: int = 1
    ) -> Report:
        lease = FakeLease(trigger=trigger or a_trigger(POINT), number=number)
        return await self.pipeline.attempt(lease, stay)

    def answer(self, outcome: Outcome) -> None:
        self.mail.answer = lambda: outcome

    def nothing_happened(self) -> bool:
        return not (self.vault.permits or self.mail.sent or self.queue.sent)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_permitted_trigger_is_mailed(bench: Bench) -> None:
    report = await bench.attempt()

    assert report.outcome == Delivered("taken")
    assert [mail.subject for mail in bench.mail.sent] == ["temperature is 21"]
    assert bench.mail.passwords == ["hunter2"]
    assert bench.queue.sent == []


async def test_where_definitions_are_not_believed_triggers_wait_unspent(
    bench: Bench,
) -> None:
    bench.catalog = replace(
        bench.catalog, omitted=Omitted(profiles={PROFILE: "its index was edited"})
    )

    report = await bench.attempt()

    assert report.held
    assert isinstance(report.outcome, Deferred)
    assert report.outcome.reason == "its index was edited"
    assert not report.outcome.spends_attempt
    assert bench.mail.passwords == []


async def test_a_permitted_trigger_is_queued(bench: Bench) -> None:
    report = await bench.attempt(a_trigger(POINT, action=QUEUE_ACTION))

    assert report.outcome == Delivered("taken")
    (sent,) = bench.queue.sent
    assert [message.body for message in sent.messages] == ['{"value":21}']
    assert bench.queue.passwords == ["wJalr"]
    assert bench.mail.sent == []


async def test_a_report_says_what_was_used_and_what_was_missing(bench: Bench) -> None:
    report = await bench.attempt()

    assert report == Report(
        outcome=Delivered("taken"),
        evidence=Evidence(
            channel="email-smtp",
            secret=MAIL_SECRET,
            secret_version=1,
            policy=POLICY,
            missing=(Fact.UNIT,),
        ),
        schedule=STANDARD,
    )


async def test_a_denial_names_the_secret_and_the_policy_that_denied_it(
    bench: Bench,
) -> None:
    a_deny_beside_an_allow(bench)

    report = await bench.attempt()

    assert isinstance(report.outcome, Rejected)
    assert report.evidence.channel == "email-smtp"
    assert report.evidence.secret == MAIL_SECRET
    assert report.evidence.policy == POLICY


async def test_the_vault_opens_exactly_the_secret_of_the_action(bench: Bench) -> None:
    await bench.attempt()

    (permit,) = bench.vault.permits
    assert permit.sealed is bench.catalog.secrets[PROFILE, MAIL_SECRET]


async def test_each_action_has_a_schedule_of_its_own(bench: Bench) -> None:
    bench.catalog = a_catalog(an_action(retry=RETRY))

    report = await bench.attempt()

    assert report.schedule.attempts == 3


async def test_parts_that_are_done_are_not_sent_again(bench: Bench) -> None:
    lease = FakeLease(trigger=a_trigger(POINT), done=frozenset({"ada@example.com"}))

    await bench.pipeline.attempt(lease, stay)

    assert [mail.recipients for mail in bench.mail.sent] == [("bob@example.com",)]


# Nothing is sent, and no secret opened


def in_catalog(*actions: Action) -> Callable[[Bench], None]:
    def change(bench: Bench) -> None:
        bench.catalog = a_catalog(*actions)

    return change


def no_policy(bench: Bench) -> None:
    bench.catalog = without_policies(bench.catalog)


def a_deny_beside_an_allow(bench: Bench) -> None:
    bench.catalog = a_catalog(policy=a_policy(DENY))


def an_inactive_policy(bench: Bench) -> None:
    bench.catalog = a_catalog(policy=a_policy({**ALLOW, "active": False}))


def a_policy_of_another_profile(bench: Bench) -> None:
    bench.catalog = a_catalog(policy=a_policy(ALLOW, OTHER_PROFILE))


def a_secret_of_another_profile(bench: Bench) -> None:
    theirs = bench.catalog.secrets[PROFILE, MAIL_SECRET]
    secret = replace(theirs.secret, profile=OTHER_PROFILE)
    bench.catalog = replace(
        bench.catalog,
        secrets={(OTHER_PROFILE, MAIL_SECRET): replace(theirs, secret=secret)},
    )


def a_catalog_that_files_a_secret_under_the_wrong_profile(bench: Bench) -> None:
    theirs = bench.catalog.secrets[PROFILE, MAIL_SECRET]
    secret = replace(theirs.secret, profile=OTHER_PROFILE)
    bench.catalog = replace(
        bench.catalog,
        secrets={(PROFILE, MAIL_SECRET): replace(theirs, secret=secret)},
    )


def an_action_of_another_profile(bench: Bench) -> None:
    theirs = Tagged(kind="action", profile=OTHER_PROFILE, id=MAIL_ACTION, tags=())
    action = replace(an_action(), tagged=theirs)
    bench.catalog = replace(
        bench.catalog, actions={(OTHER_PROFILE, MAIL_ACTION): action}
    )


def no_secret(bench: Bench) -> None:
    bench.catalog = replace(bench.catalog, secrets={})


def no_action(bench: Bench) -> None:
    bench.catalog = replace(bench.catalog, actions={})


def an_altered_action(bench: Bench) -> None:
    no_action(bench)
    left_out = {(PROFILE, MAIL_ACTION): "its row was edited"}
    bench.catalog = replace(bench.catalog, omitted=Omitted(definitions=left_out))


def an_altered_secret(bench: Bench) -> None:
    no_secret(bench)
    left_out = {(PROFILE, MAIL_SECRET): "its row was edited"}
    bench.catalog = replace(bench.catalog, omitted=Omitted(definitions=left_out))


def a_passed_deadline(bench: Bench) -> None:
    bench.clock.advance(DAY + SECOND)


REFUSALS = [
    (
        an_altered_action,
        f"action {MAIL_ACTION}: its row was edited",
        Fault.DEFINITION,
    ),
    (
        an_altered_secret,
        f"secret {MAIL_SECRET}: its row was edited",
        Fault.DEFINITION,
    ),
    (no_action, f"there is no action {MAIL_ACTION}", Fault.DEFINITION),
    (an_action_of_another_profile, "there is no action", Fault.DEFINITION),
    (in_catalog(an_action(active=False)), "'Tell' is inactive", Fault.DEFINITION),
    (a_passed_deadline, "its deadline passed before an attempt", Fault.TRIGGER),
    (no_secret, f"there is no secret {MAIL_SECRET}", Fault.DEFINITION),
    (a_secret_of_another_profile, "there is no secret", Fault.DEFINITION),
    (
        a_catalog_that_files_a_secret_under_the_wrong_profile,
        "not of the profile",
        Fault.DEFINITION,
    ),
    (no_policy, "no policy lets", Fault.DEFINITION),
    (an_inactive_policy, "no policy lets", Fault.DEFINITION),
    (a_policy_of_another_profile, "no policy lets", Fault.DEFINITION),
    (a_deny_beside_an_allow, "forbids", Fault.DEFINITION),
]


@pytest.mark.parametrize(("change", "reason", "fault"), REFUSALS)
async def test_nothing_is_opened_or_sent_with(
    bench: Bench, change: Callable[[Bench], None], reason: str, fault: Fault
) -> None:
    change(bench)

    report = await bench.attempt()

    assert isinstance(report.outcome, Rejected)
    assert reason in report.outcome.reason
    assert report.outcome.fault is fault
    assert bench.nothing_happened()
    assert not report.held


async def test_an_explicit_deny_names_its_policy(bench: Bench) -> None:
    a_deny_beside_an_allow(bench)

    report = await bench.attempt()

    assert isinstance(report.outcome, Rejected)
    assert POLICY in report.outcome.reason


async def test_data_that_cannot_be_sent_opens_no_secret(bench: Bench) -> None:
    endless = DataPoint({Fact.VALUE: "long " * 1000}, {})

    report = await bench.attempt(a_trigger(endless))

    assert isinstance(report.outcome, Rejected)
    assert report.outcome.fault is Fault.TRIGGER
    assert bench.nothing_happened()


async def test_the_record_names_the_texts_whose_characters_were_replaced(
    bench: Bench,
) -> None:
    broken = DataPoint({Fact.VALUE: "a\nBcc: evil@x.example"}, {})

    report = await bench.attempt(a_trigger(broken))

    assert report.evidence.replaced == ("subject",)


async def test_a_locked_action_does_not_act_and_is_done(bench: Bench) -> None:
    bench.catalog = without_policies(a_catalog(an_action(lock=True)))

    report = await bench.attempt()

    assert report == LOCKED
    assert bench.nothing_happened()


async def test_a_trigger_on_its_deadline_is_still_attempted(bench: Bench) -> None:
    bench.clock.advance(DAY)

    assert (await bench.attempt()).outcome == Delivered("taken")


async def test_the_last_attempt_of_the_schedule_is_made(bench: Bench) -> None:
    bench.catalog = a_catalog(an_action(retry=RETRY))

    assert (await bench.attempt(number=3)).outcome == Delivered("taken")


async def test_a_trigger_that_is_cut_short_too_often_is_buried(bench: Bench) -> None:
    bench.catalog = a_catalog(an_action(retry=RETRY))

    report = await bench.attempt(number=4)

    assert isinstance(report.outcome, Uncertain)
    assert bench.nothing_happened()
    attempt = Attempt(number=4, ended_at=NOON, deadline=NOON + DAY, chance=0)
    assert isinstance(settle(report.outcome, attempt, report.schedule), Bury)


async def test_a_secret_that_does_not_open_is_reported_and_nothing_is_sent(
    bench: Bench,
) -> None:
    bench.vault.broken = Unsealable("tampered")

    report = await bench.attempt()

    assert report.outcome == Rejected(
        "secret key-5 does not open: tampered",
        Fault.SYSTEM,
        why=ReasonClass.UNSEALABLE,
    )
    assert report.evidence.secret == MAIL_SECRET
    assert bench.mail.sent == []


async def test_other_secrets_are_not_affected_by_one_that_does_not_open(
    bench: Bench,
) -> None:
    bench.vault.broken = Unsealable("tampered")
    await bench.attempt()
    bench.vault.broken = None

    report = await bench.attempt(a_trigger(POINT, action=QUEUE_ACTION))

    assert report.outcome == Delivered("taken")


async def test_a_vault_that_does_not_answer_spends_no_attempt(bench: Bench) -> None:
    bench.vault.broken = Unavailable("the vault is sealed")

    with pytest.raises(Unavailable, match="the vault is sealed"):
        await bench.attempt()

    assert bench.mail.sent == []


async def test_what_the_database_has_lost_changes_since_is_held_back(
    bench: Bench,
) -> None:
    newer = replace(REVISION, number=REVISION.number + 1)

    report = await bench.attempt(a_trigger(POINT).under(newer))

    assert report.held
    assert isinstance(report.outcome, Deferred)
    assert not report.outcome.spends_attempt
    assert "keyrelay restore --accept" in report.outcome.reason
    assert bench.nothing_happened()


async def test_what_was_accepted_under_this_or_an_older_revision_goes(
    bench: Bench,
) -> None:
    older = replace(REVISION, number=REVISION.number - 1)

    for revision in (None, older, REVISION, replace(REVISION, history="2" * 24)):
        report = await bench.attempt(a_trigger(POINT).under(revision))

        assert isinstance(report.outcome, Delivered)


async def test_a_catalog_that_does_not_answer_spends_no_attempt(
    bench: Bench,
) -> None:
    async def unavailable(_: Revision | None) -> Catalog:
        raise Unavailable("the database does not answer")

    pipeline = replace(bench.pipeline, catalog=unavailable)

    with pytest.raises(Unavailable, match="the database"):
        await pipeline.attempt(FakeLease(trigger=a_trigger()), stay)

    assert bench.nothing_happened()


# Definitions that change during the work


async def test_a_policy_that_is_deleted_stops_the_next_trigger(bench: Bench) -> None:
    await bench.attempt()

    no_policy(bench)
    report = await bench.attempt()

    assert isinstance(report.outcome, Rejected)
    assert len(bench.mail.sent) == 1


# Pauses


async def test_a_refused_credential_holds_the_next_trigger_back(bench: Bench) -> None:
    refused = Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL)
    bench.answer(refused)
    first = await bench.attempt()

    second = await bench.attempt()

    assert isinstance(first.outcome, Deferred)
    assert (first.held, second.held) == (False, True)
    assert first.outcome.waits_for == MAIL_SECRET
    assert isinstance(second.outcome, Deferred)
    assert (second.outcome.spends_attempt, second.outcome.waits_for) == (
        False,
        MAIL_SECRET,
    )
    assert len(bench.mail.sent) == len(bench.vault.permits) == 1


async def test_a_replaced_secret_goes_on_at_once(bench: Bench) -> None:
    bench.answer(Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL))
    await bench.attempt()
    bench.answer(Delivered("taken"))
    old = bench.catalog.secrets[PROFILE, MAIL_SECRET]
    new = replace(old, secret=replace(old.secret, version=2))
    bench.catalog = replace(bench.catalog, secrets={(PROFILE, MAIL_SECRET): new})

    report = await bench.attempt()

    assert report.outcome == Delivered("taken")
    assert report.evidence.secret_version == 2


async def test_denial_comes_before_a_pause(bench: Bench) -> None:
    bench.answer(Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL))
    await bench.attempt()
    no_policy(bench)

    report = await bench.attempt()

    assert isinstance(report.outcome, Rejected)
    assert not report.held


async def test_a_server_is_slow_by_its_attempts_in_flight(bench: Bench) -> None:
    breaker = bench.pipeline.breaker
    secret = bench.catalog.secrets[PROFILE, MAIL_SECRET].secret
    seen: list[bool] = []

    def slow() -> Outcome:
        with breaker.attempt(secret):
            bench.clock.advance(2 * SECOND)
            seen.append(breaker.admit(secret) is not None)
        return Delivered("at last")

    bench.mail.answer = slow
    await bench.attempt()

    assert seen == [True]
    assert breaker.admit(secret) is None


async def test_a_slow_server_holds_the_next_trigger_back(bench: Bench) -> None:
    secret = bench.catalog.secrets[PROFILE, MAIL_SECRET].secret
    with bench.pipeline.breaker.attempt(secret), bench.pipeline.breaker.attempt(secret):
        bench.clock.advance(2 * SECOND)

        report = await bench.attempt()

    assert report.held
    assert bench.nothing_happened()


@dataclass(frozen=True)
class Composing:
    """An instruction that says where it is composed."""

    size: int
    channel: str = "email-smtp"
    secret: str = MAIL_SECRET
    mentions: frozenset[Fact] = frozenset()
    remarks: tuple[str, ...] = ()

    def check(self, *, fifo: bool) -> None:
        """Take every secret."""

    def extent(self, _: Trigger) -> int:
        return self.size

    def compose(self, trigger: Trigger, done: Collection[str]) -> Rejected:
        in_loop = threading.current_thread() is threading.main_thread()
        return Rejected("in the loop" if in_loop else "beside it", Fault.TRIGGER)


@pytest.mark.parametrize(
    ("size", "where"), [(256 * 1024, "in the loop"), (256 * 1024 + 1, "beside it")]
)
async def test_what_is_large_is_composed_beside_the_event_loop(
    bench: Bench, size: int, where: str
) -> None:
    action = replace(an_action(), instruction=Composing(size))
    bench.catalog = a_catalog(action)

    report = await bench.attempt()

    assert report.outcome == Rejected(where, Fault.TRIGGER)


async def test_the_dispatcher_asks_the_lease_before_it_sends(bench: Bench) -> None:
    lease = FakeLease(trigger=a_trigger(POINT), held=False)

    report = await bench.pipeline.attempt(lease, stay)

    assert report.outcome == LEASE_LOST
    assert not bench.mail.sent


async def test_what_does_not_open_waits_for_no_pause_to_end(bench: Bench) -> None:
    bench.answer(Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL))
    await bench.attempt()
    bench.vault.broken = Unsealable("it was tampered with")

    report = await bench.attempt()

    assert not report.held
    assert isinstance(report.outcome, Rejected)
    assert report.outcome.fault is Fault.SYSTEM
    assert "does not open" in report.outcome.reason


# Attempts that take long


@dataclass
class Mute:
    """A dispatcher whose peer answers when `over` is set."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        self.asked.set()
        await self.over.wait()
        return Delivered("taken")


@pytest.fixture
def mute() -> Mute:
    return Mute()


@pytest.fixture
def silent(bench: Bench, mute: Mute) -> Pipeline:
    return replace(bench.pipeline, performers=performers({"email-smtp": mute}))


async def test_an_attempt_that_waits_for_its_peer_leaves_its_lane_once(
    silent: Pipeline, mute: Mute, passes: Pass
) -> None:
    left: list[str] = []
    lease = FakeLease(trigger=a_trigger(POINT))
    attempt = asyncio.create_task(silent.attempt(lease, lambda: left.append("lane")))
    await mute.asked.wait()

    passes(0.2)
    await settled()
    after_a_while = [*left], silent.breaker.lingering()
    passes(500)
    await settled()
    mute.over.set()

    assert (await attempt).outcome == Delivered("taken")
    assert after_a_while == (["lane"], 1)
    assert left == ["lane"]
    assert silent.breaker.lingering() == 0


async def test_an_attempt_that_is_answered_soon_keeps_its_lane(
    silent: Pipeline, mute: Mute, passes: Pass
) -> None:
    left: list[str] = []
    lease = FakeLease(trigger=a_trigger(POINT))
    mute.over.set()

    await silent.attempt(lease, lambda: left.append("lane"))
    passes(500)
    await settled()

    assert left == []


async def test_an_attempt_over_the_bound_of_its_secret_keeps_its_lane(
    silent: Pipeline, mute: Mute, passes: Pass
) -> None:
    left: list[int] = []

    def attempt(number: int) -> Awaitable[Report]:
        lease = FakeLease(trigger=a_trigger(POINT, id_=f"t{number}"))
        return silent.attempt(lease, lambda: left.append(number))

    attempts = [asyncio.ensure_future(attempt(number)) for number in range(20)]
    await mute.asked.wait()
    passes(0.2)
    await settled()
    mute.over.set()
    await asyncio.gather(*attempts)

    assert sorted(left) == list(range(16))
