"""Script services: one attempt within limits, recorded before it is answered."""

import asyncio
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

import pytest

from keyrelay.dispatchers.smtp.credentials import smtp_secret
from keyrelay.dispatchers.smtp.service import mail_service
from keyrelay.model.action import Message
from keyrelay.model.audit import AuditRecord, Change, ChangeRecord
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)
from keyrelay.model.secret import OpenedSecret
from keyrelay.ports import StillHeld, Unavailable
from keyrelay.services.script_calls import CallLimits, CallRoom, TooManyCalls
from keyrelay.services.script_records import NotRecorded, ScriptRecords
from keyrelay.services.script_services import (
    CredentialCircuits,
    Mac,
    ScriptService,
    ScriptServices,
    ServiceCaller,
    told,
)
from tests.fakes import Clock, begun
from tests.samples import NOON, PROFILE

MAIL = "email-smtp"
CREDENTIAL = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "us@example.com",
    "password": "hunter22",
}
WRITTEN = {"to": "ada@example.com", "subject": "s", "message": "m"}
ASKED = {**WRITTEN, "smtp_secret": CREDENTIAL}
CALLER = ServiceCaller(profile=PROFILE, analysis="5" * 24, actor="token:boiler")
SOON = timedelta(milliseconds=50)
TAKEN = Delivered("250 ok", (Part("ada@example.com", "250 ok", settled=True),))


@dataclass
class Peer:
    """Answers as it is told once it `may` begin, and once it `may` answer."""

    outcome: Outcome = TAKEN
    begins: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    has_it: asyncio.Event = field(default_factory=asyncio.Event)
    secrets: list[str] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    asked: StillHeld | None = None

    def __post_init__(self) -> None:
        self.begins.set()
        self.answers.set()

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        self.secrets.append(secret.secret.id)
        assert still_held is not None
        self.asked = still_held
        await self.begins.wait()
        self.held.append(await still_held())
        self.has_it.set()
        await self.answers.wait()
        return self.outcome


@dataclass
class Trail:
    """Keeps records, unless it is `down`."""

    down: bool = False
    came: asyncio.Event = field(default_factory=asyncio.Event)
    kept: list[ChangeRecord] = field(default_factory=list)

    async def keep(self, records: Sequence[AuditRecord]) -> None:
        if self.down:
            raise Unavailable("the database does not answer")
        for record in records:
            assert isinstance(record, ChangeRecord)
            assert record not in self.kept
            self.kept.append(record)
        self.came.set()

    @property
    def details(self) -> list[str]:
        return [each.detail for each in self.kept]


async def authenticator(label: str) -> Mac:
    def mac(message: bytes) -> bytes:
        return hmac.digest(label.encode(), message, "sha256")

    return mac


@dataclass(kw_only=True)
class Process:
    """Services over a peer and a trail that a test holds in its hands."""

    peer: Peer = field(default_factory=Peer)
    trail: Trail = field(default_factory=Trail)
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    limits: CallLimits = field(default_factory=CallLimits)

    def __post_init__(self) -> None:
        ids = map("{:024x}".format, count())
        world = replace(self.clock.world(), new_id=lambda _: next(ids))
        service = ScriptService(
            type=mail_service({587}), secret=smtp_secret({587}), dispatcher=self.peer
        )
        self.records = ScriptRecords(keep=self.trail.keep, sleep=world.sleep)
        self.services = ScriptServices(
            services={MAIL: service},
            authenticator=authenticator,
            records=self.records,
            credentials=CredentialCircuits(now=world.now, slow_limit=24),
            room=CallRoom(limits=self.limits),
            world=world,
        )

    async def send(self, caller: ServiceCaller = CALLER, **fields: object) -> Outcome:
        return await self.services.send(caller, MAIL, {**ASKED, **fields})


async def test_a_call_is_one_attempt_with_one_record() -> None:
    process = Process()

    outcome = await process.send()
    (record,) = process.trail.kept
    (digest,) = process.peer.secrets

    assert outcome == TAKEN
    assert (record.noun, record.subject) == ("analysis", CALLER.analysis)
    assert (record.change, record.actor) == (Change.CALLED, CALLER.actor)
    assert record.detail == (
        f"email-smtp with credential {digest[:16]}: delivered: 250 ok"
        " (ada@example.com: 250 ok)"
    )


async def test_a_credential_has_one_digest_however_it_is_written() -> None:
    process = Process()
    other = {**CREDENTIAL, "password": "hunter23"}
    elsewhere = ServiceCaller(profile="6" * 24, analysis="5" * 24, actor="token:b")

    await process.send()
    await process.send(smtp_secret=json.dumps(CREDENTIAL, indent=1, sort_keys=True))
    await process.send(smtp_secret=other)
    await process.send(elsewhere)
    first, same, another, of_another = process.peer.secrets

    assert first == same
    assert len({first, another, of_another}) == 3


async def test_what_is_no_call_sends_and_records_nothing() -> None:
    process = Process()

    with pytest.raises(InvalidDefinition):
        await process.send(to="nobody")

    assert process.peer.secrets == []
    assert process.trail.kept == []


async def test_a_refused_credential_is_not_shown_to_the_server_again_at_once() -> None:
    refused = Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL)
    process = Process(peer=Peer(outcome=refused))

    await process.send()
    held = await process.send()
    await process.send(smtp_secret={**CREDENTIAL, "password": "another"})

    assert isinstance(held, Deferred)
    assert held.reason == "secret smtp_secret is paused: 535 no"
    assert held.not_before > timedelta(seconds=30)
    assert len(process.peer.secrets) == 2
    assert len(process.trail.kept) == 2


async def test_all_circuits_are_forgotten_once_there_are_too_many() -> None:
    process = Process()

    for number in range(1001):
        await process.send(smtp_secret={**CREDENTIAL, "password": f"p{number}"})

    assert len(process.services.credentials._known) == 1


async def test_nothing_is_handed_over_after_the_time_to_begin() -> None:
    process = Process(limits=CallLimits(begin=SOON))
    process.peer.begins.clear()

    outcome = await process.send()
    assert process.peer.asked is not None
    late = await process.peer.asked()

    assert outcome == Deferred(
        "the time of the call was over before anything was sent", blame=Blame.PEER
    )
    assert not late
    assert "deferred: the time of the call was over" in process.trail.details[0]


async def test_a_server_that_does_not_answer_in_time_may_have_it() -> None:
    process = Process(limits=CallLimits(answer=SOON))
    process.peer.answers.clear()

    outcome = await process.send()

    assert outcome == Uncertain(
        "the time of the call was over before the server answered"
    )
    assert process.peer.held == [True]
    assert "uncertain: the time of the call was over" in process.trail.details[0]


async def test_a_call_that_is_cut_off_is_recorded() -> None:
    process = Process()
    process.peer.answers.clear()
    call = await begun(process.send())
    await process.peer.has_it.wait()

    call.cancel()
    await asyncio.wait([call])

    assert call.cancelled()
    assert "uncertain: the call was cut off before" in process.trail.details[0]


async def test_what_could_not_be_recorded_is_before_anything_more_is_sent() -> None:
    process = Process()
    process.trail.down = True

    with pytest.raises(NotRecorded):
        await process.send()
    with pytest.raises(Unavailable):
        await process.send()
    assert len(process.peer.secrets) == 1
    process.trail.down = False
    await process.send()

    assert len(process.peer.secrets) == len(process.trail.kept) == 2


async def test_what_could_not_be_recorded_is_later_without_another_call() -> None:
    process = Process()
    process.trail.down = True
    keeping = await begun(process.records.keep_settling())
    with pytest.raises(NotRecorded):
        await process.send()

    await process.clock.until_asleep()
    process.trail.down = False
    process.clock.advance(timedelta(seconds=1))
    await process.trail.came.wait()

    keeping.cancel()
    assert len(process.trail.kept) == 1


async def test_a_profile_and_a_process_have_so_many_calls_at_once() -> None:
    process = Process(limits=CallLimits(in_all=3, of_a_profile=2))
    process.peer.answers.clear()
    other = ServiceCaller(profile="6" * 24, analysis="5" * 24, actor="token:b")
    calls = [await begun(process.send(each)) for each in (CALLER, CALLER, other)]

    with pytest.raises(TooManyCalls, match="this profile"):
        await process.send()
    with pytest.raises(TooManyCalls, match="this process"):
        await process.send(other)
    process.peer.answers.set()
    await asyncio.gather(*calls)

    assert await process.send() == TAKEN


PARTS = (Part("a@x.org", "250 ok", settled=True), Part("b@x.org", "450", settled=False))


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (TAKEN, "Successfully Sent"),
        (Uncertain("no reply"), "the receiver may have it: no reply"),
        (Rejected("550 no", Fault.TRIGGER), "550 no"),
        (Deferred("451 later", parts=PARTS[1:]), "451 later"),
        (
            Deferred("451 later", parts=PARTS),
            "451 later; the others are done, so send again only b@x.org",
        ),
    ],
)
def test_a_script_is_told_the_end_in_a_sentence(
    outcome: Outcome, sentence: str
) -> None:
    assert told(outcome) == sentence
