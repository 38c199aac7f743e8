"""Sessions: reused where it is safe, and never where it is not."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
import uvloop

from keyrelay.dispatchers.smtp.limits import Limits, ReuseLimits, SlotLimits
from keyrelay.model.outcome import (
    LEASE_LOST,
    Blame,
    Deferred,
    Delivered,
    Outcome,
    Rejected,
    Uncertain,
)
from tests.contract.smtp_peer import (
    HANG_UP,
    HOST,
    SILENCE,
    Peer,
    Sender,
    mail,
    secret,
    serving,
)

pytest_plugins = ["tests.contract.smtp_fixtures"]

Says = dict[str, bytes | list[bytes]]
OK = b"250 2.0.0 Ok\r\n"
REUSE = ReuseLimits()


def logins(peer: Peer) -> int:
    return sum(each.verbs.count("AUTH") for each in peer.connections)


async def send(sender: Sender, peer: Peer, count: int = 1) -> list[Outcome]:
    dispatcher = sender.made[0] if sender.made else sender.to(peer.port)
    return [await dispatcher.dispatch(mail(), secret(peer.port)) for _ in range(count)]


async def test_one_session_serves_many_mails(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        outcomes = await send(sender, peer, 5)

    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert logins(peer) == 1
    assert len(peer.mails) == 5


TAKES_NO_MORE = [
    b"452 4.3.2 too many messages in this session\r\n",
    b"452 4.5.3 reconnect\r\n",
    b"451 4.7.0 try again later\r\n",
    b"450 enough\r\n",
    b"421 4.7.0 enough\r\n",
    b"550 5.7.0 maximum number of messages per session reached\r\n",
]


@pytest.mark.parametrize("refusal", TAKES_NO_MORE)
async def test_a_session_that_takes_no_more_is_let_go(
    sender: Sender, refusal: bytes
) -> None:
    says: Says = {"MAIL": [OK, OK, refusal, OK]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        outcomes = await send(sender, peer, 4)

    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert logins(peer) == 2


async def test_a_first_mail_refused_is_the_secrets_limit_and_costs_one_login(
    sender: Sender,
) -> None:
    says: Says = {"MAIL": [OK, b"452 4.3.1 not now\r\n"]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        _, *outcomes = await send(sender, peer, 5)

    assert logins(peer) == 2
    for outcome in outcomes:
        assert isinstance(outcome, Deferred)
        assert outcome.blame is Blame.RATE
        assert not outcome.spends_attempt
        assert outcome.not_before == timedelta(minutes=1)


async def test_a_sender_refused_for_good_costs_no_login(sender: Sender) -> None:
    says: Says = {"MAIL": [OK, b"550 5.7.1 not that sender\r\n"]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        outcomes = await send(sender, peer, 3)

    assert isinstance(outcomes[-1], Rejected)
    assert logins(peer) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda port: secret(port, id_="6" * 24),
        lambda port: secret(port, version=2),
        lambda port: secret(port, host="127.0.0.1"),
    ],
    ids=["another secret", "another version", "another host"],
)
async def test_a_session_never_serves_other_credentials(
    sender: Sender, other: Callable[[int], object]
) -> None:
    async with serving(sender.authority.issue_cert(HOST, "127.0.0.1"), {}) as peer:
        dispatcher = sender.to(peer.port)
        await dispatcher.dispatch(mail(), secret(peer.port))

        opened = other(peer.port)
        assert isinstance(opened, type(secret(peer.port)))
        await dispatcher.dispatch(mail(), opened)

    assert logins(peer) == 2
    assert [len(each.mails) for each in peer.connections] == [1, 1]


async def test_sessions_of_an_older_version_end_when_a_newer_is_used(
    sender: Sender,
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port)
        await dispatcher.dispatch(mail(), secret(peer.port, version=1))

        await dispatcher.dispatch(mail(), secret(peer.port, version=2))

        await peer.connections[0].closed.wait()
        assert not peer.connections[1].closed.is_set()
        assert peer.connections[0].verbs[-1] == "QUIT"


async def test_a_session_of_an_older_version_is_not_kept(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port)
        await dispatcher.dispatch(mail(), secret(peer.port, version=2))

        await dispatcher.dispatch(mail(), secret(peer.port, version=1))

        await peer.connections[1].closed.wait()
        await dispatcher.dispatch(mail(), secret(peer.port, version=2))
        assert [len(each.mails) for each in peer.connections] == [2, 1]


@pytest.mark.parametrize(
    ("reuse", "passes"),
    [
        (replace(REUSE, mails=1), timedelta()),
        (replace(REUSE, age=timedelta(seconds=5)), timedelta(seconds=5)),
        (replace(REUSE, idle=timedelta(seconds=9)), timedelta(seconds=9)),
    ],
    ids=["by messages", "by age", "by idleness"],
)
async def test_a_session_that_has_served_is_ended(
    sender: Sender, reuse: ReuseLimits, passes: timedelta
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port, limits=Limits(reuse=reuse))
        await dispatcher.dispatch(mail(), secret(peer.port))

        sender.clock.now += passes
        await dispatcher.dispatch(mail(), secret(peer.port))

        await peer.connections[0].closed.wait()
        assert peer.connections[0].verbs[-1] == "QUIT"
        assert [len(each.mails) for each in peer.connections] == [1, 1]


async def test_a_session_that_is_not_used_ends_by_itself(sender: Sender) -> None:
    brief = Limits(reuse=replace(REUSE, idle=timedelta(milliseconds=20)))
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port, limits=brief)
        await dispatcher.dispatch(mail(), secret(peer.port))

        sender.clock.now += timedelta(milliseconds=20)

        await peer.connections[0].closed.wait()
        assert peer.connections[0].verbs[-1] == "QUIT"


async def test_a_session_is_probed_only_after_rest(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        await send(sender, peer, 2)
        sender.clock.now += REUSE.probe_after + timedelta(seconds=1)
        await send(sender, peer)

    assert [verb for verb in peer.connections[0].verbs if verb in ("MAIL", "NOOP")] == [
        "MAIL",
        "MAIL",
        "NOOP",
        "MAIL",
    ]


@pytest.mark.parametrize("answer", [HANG_UP, b"421 bye\r\n", b"500 what\r\n"])
async def test_a_session_that_fails_its_probe_is_replaced(
    sender: Sender, answer: bytes
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {"NOOP": answer}) as peer:
        await send(sender, peer)
        sender.clock.now += REUSE.probe_after + timedelta(seconds=1)

        outcomes = await send(sender, peer)

    assert isinstance(outcomes[0], Delivered)
    assert [len(each.mails) for each in peer.connections] == [1, 1]


@pytest.mark.parametrize("answer", [HANG_UP, b"421 4.4.2 timeout\r\n"])
async def test_a_session_that_ended_while_it_rested_costs_no_attempt(
    sender: Sender, answer: bytes
) -> None:
    says: Says = {"MAIL": [OK, answer, OK]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        outcomes = await send(sender, peer, 2)

    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert [len(each.mails) for each in peer.connections] == [1, 1]


async def test_one_session_that_ended_while_it_rested_takes_the_others_along(
    sender: Sender,
) -> None:
    says: Says = {"MAIL": [OK, OK, HANG_UP, OK]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        dispatcher = sender.to(peer.port)
        opened = secret(peer.port)
        await asyncio.gather(*(dispatcher.dispatch(mail(), opened) for _ in "ab"))

        await dispatcher.dispatch(mail(), opened)

        assert len(peer.connections) == 3
        await peer.connections[0].closed.wait()
        await peer.connections[1].closed.wait()
        assert [len(each.mails) for each in peer.connections] == [1, 1, 1]


async def test_a_server_that_said_it_closes_is_not_asked_again(sender: Sender) -> None:
    says: Says = {".": [b"421 4.3.2 going down\r\n", OK]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        outcomes = await send(sender, peer, 2)

    assert [type(outcome) for outcome in outcomes] == [Deferred, Delivered]
    assert [len(each.mails) for each in peer.connections] == [1, 1]


async def test_a_fresh_session_that_ends_at_once_is_an_attempt(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {"MAIL": HANG_UP}) as peer:
        outcomes = await send(sender, peer)

    assert outcomes == [Deferred("the server hung up on MAIL", blame=Blame.PEER)]
    assert len(peer.connections) == 1


async def test_a_refusal_leaves_the_session_in_use_and_its_envelope_reset(
    sender: Sender,
) -> None:
    says: Says = {"RCPT": [b"550 5.1.1 no\r\n", OK]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        outcomes = await send(sender, peer, 2)

    assert [type(outcome) for outcome in outcomes] == [Rejected, Delivered]
    assert logins(peer) == 1
    assert peer.connections[0].verbs[4:7] == ["MAIL", "RCPT", "RSET"]


async def test_after_silence_the_session_is_not_used_again(sender: Sender) -> None:
    hasty = Limits(body=timedelta(milliseconds=50))
    says: Says = {".": [SILENCE, b"250 queued\r\n"]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        sender.to(peer.port, limits=hasty)

        outcomes = await send(sender, peer, 2)

    assert [type(outcome) for outcome in outcomes] == [Uncertain, Delivered]
    assert [len(each.mails) for each in peer.connections] == [1, 1]


async def test_a_cancelled_attempt_cuts_its_session_off(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {"RCPT": SILENCE}) as peer:
        attempt = asyncio.create_task(send(sender, peer))
        await peer.until(
            lambda: bool(peer.connections) and "RCPT" in peer.connections[0].verbs
        )

        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

        await peer.connections[0].closed.wait()
        assert peer.connections[0].verbs[-1] == "RCPT"


async def test_no_more_sessions_than_allowed_and_no_turn_is_no_attempt(
    sender: Sender,
) -> None:
    brief = timedelta(milliseconds=50)
    limits = Limits(slots=SlotLimits(count=2, wait=brief, stall=timedelta(minutes=1)))
    async with serving(sender.authority.issue_cert(HOST), {".": SILENCE}) as peer:
        dispatcher = sender.to(peer.port, limits=limits)
        opened = secret(peer.port)
        busy = [asyncio.create_task(dispatcher.dispatch(mail(), opened)) for _ in "ab"]
        await peer.until(lambda: len(peer.mails) == 2)

        outcome = await dispatcher.dispatch(mail(), opened)

        assert isinstance(outcome, Deferred)
        assert not outcome.spends_attempt
        assert outcome.blame is Blame.MESSAGE
        assert outcome.not_before > timedelta()
        assert len(peer.connections) == 2
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)


async def test_no_mail_waits_long_where_no_session_comes_back(sender: Sender) -> None:
    limits = Limits(slots=SlotLimits(count=2, stall=timedelta(milliseconds=50)))
    async with serving(sender.authority.issue_cert(HOST), {".": SILENCE}) as peer:
        dispatcher = sender.to(peer.port, limits=limits)
        opened = secret(peer.port)
        busy = [asyncio.create_task(dispatcher.dispatch(mail(), opened)) for _ in "ab"]
        await peer.until(lambda: len(peer.mails) == 2)

        async with asyncio.timeout(5):  # half of the longest wait
            outcomes = await asyncio.gather(
                *(dispatcher.dispatch(mail(), opened) for _ in range(3))
            )

        for outcome in outcomes:
            assert isinstance(outcome, Deferred)
            assert not outcome.spends_attempt
            assert outcome.blame is Blame.MESSAGE
        assert len(peer.connections) == 2
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)


async def test_callers_wait_for_a_session_that_comes_back(sender: Sender) -> None:
    one = Limits(slots=SlotLimits(count=1))
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port, limits=one)
        opened = secret(peer.port)

        outcomes = await asyncio.gather(
            *(dispatcher.dispatch(mail(), opened) for _ in range(6))
        )

    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert len(peer.connections) == 1


async def test_mails_that_waited_for_a_login_share_its_failure(sender: Sender) -> None:
    says: Says = {"AUTH": b"535 5.7.8 no\r\n"}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        dispatcher = sender.to(peer.port)
        opened = secret(peer.port)

        outcomes = await asyncio.gather(
            *(dispatcher.dispatch(mail(), opened) for _ in range(8))
        )

    assert logins(peer) == 1
    assert len(set(outcomes)) == 1


async def test_a_later_caller_tries_the_login_again(sender: Sender) -> None:
    says: Says = {"AUTH": [b"535 5.7.8 no\r\n", b"235 welcome\r\n"]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        outcomes = await send(sender, peer, 2)

    assert [type(outcome) for outcome in outcomes] == [Deferred, Delivered]


async def test_after_a_cancelled_login_the_next_mail_that_waits_logs_in(
    sender: Sender,
) -> None:
    says: Says = {"AUTH": [SILENCE, b"235 welcome\r\n"]}
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        dispatcher = sender.to(peer.port)
        opened = secret(peer.port)
        first, second = (
            asyncio.create_task(dispatcher.dispatch(mail(), opened)) for _ in "ab"
        )
        await peer.until(lambda: logins(peer) == 1)

        first.cancel()

        assert isinstance(await second, Delivered)


async def test_closing_ends_the_sessions_and_keeps_no_new_one(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        await send(sender, peer)
        await sender.made[0].close()
        await peer.connections[0].closed.wait()

        outcomes = await send(sender, peer)

        assert isinstance(outcomes[0], Delivered)
        await peer.connections[1].closed.wait()
        assert [each.verbs[-1] for each in peer.connections] == ["QUIT", "QUIT"]


async def test_closing_does_not_wait_long_for_a_server_that_does_not_part(
    sender: Sender,
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {"QUIT": SILENCE}) as peer:
        await send(sender, peer)

        async with asyncio.timeout(5):
            await sender.made[0].close()


async def a_lost_lease_and_a_kept_one(sender: Sender) -> None:
    answers = iter([False, True])

    async def still_held() -> bool:
        return next(answers)

    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port)
        lost = await dispatcher.dispatch(mail(), secret(peer.port), still_held)
        async with asyncio.timeout(5):
            kept = await dispatcher.dispatch(mail(), secret(peer.port), still_held)
        await dispatcher.close()

    assert lost == LEASE_LOST
    assert isinstance(kept, Delivered)
    assert len(peer.mails) == 1
    assert logins(peer) == 2, "what was cut is not used again"


async def test_a_mail_whose_lease_was_lost_is_not_sent_and_the_next_one_is(
    sender: Sender,
) -> None:
    await a_lost_lease_and_a_kept_one(sender)


def test_the_event_loop_of_workers_cuts_a_session_as_well(
    smtp_authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    smtp_authority.cert_pem.write_to_path(ca_file)

    async def on_uvloop() -> None:
        sender = Sender(authority=smtp_authority, ca_file=ca_file)
        await a_lost_lease_and_a_kept_one(sender)

    uvloop.run(on_uvloop())
