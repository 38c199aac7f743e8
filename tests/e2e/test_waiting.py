"""Refused credentials: triggers wait, unspent, and go on once these are replaced."""

import asyncio
import json
import signal
from collections.abc import Mapping

from tests.contract.sqs_peer import KEY, KEY_ID, running_peer
from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import WITHIN, mail_action, smtp_secret
from tests.e2e.queues import sqs_secret
from tests.installed.home import Home
from tests.services import deadline
from tests.services.postfix import Postfix


def test_a_wrong_password_waits_for_the_right_one(home: Home, postfix: Postfix) -> None:
    home = home.under({"KEYRELAY_SMTP_PORTS": str(postfix.port)})
    right = smtp_secret(postfix.port, postfix.username, postfix.password)
    secret = home.create_secret("office", "smtp", {**right, "password": "wrong"})
    postfix.clear()

    reason = _waits_until_replaced(home, mail_action(secret), right)

    mails = postfix.mails(3)
    assert "535" in reason
    assert sorted(mail["Message-ID"][:3] for mail in mails) == ["<t1", "<t2", "<t3"]


async def test_a_wrong_key_waits_for_the_right_one(home: Home) -> None:
    async with running_peer() as peer:
        home = home.under({"KEYRELAY_SQS_ENDPOINTS": peer.endpoint})
        right = sqs_secret(peer.queue(), KEY_ID, KEY)
        wrong = {**right, "secret_access_key": "wrong"}
        secret = await asyncio.to_thread(home.create_secret, "queue", "aws-sqs", wrong)
        does = {"type": "queue-sqs", "sqs_secret": secret, "message": "$VALUE$"}

        reason = await asyncio.to_thread(_waits_until_replaced, home, does, right)

    assert "SignatureDoesNotMatch" in reason
    assert [body for call in peer.calls[-3:] for body in call][-3:] == ["9.5"] * 3


def test_a_pause_is_shown_and_obeyed_by_a_worker_that_starts_later(
    home: Home, postfix: Postfix
) -> None:
    home = home.under({"KEYRELAY_SMTP_PORTS": str(postfix.port)})
    right = smtp_secret(postfix.port, postfix.username, postfix.password)
    secret = home.create_secret("office", "smtp", {**right, "password": "wrong"})
    told = home.create("action", action("tell", mail_action(secret)))
    home.create("policy", EVERYTHING)
    postfix.clear()

    with home.running("worker") as worker:
        publish(home, trigger("t1", told))
        worker.await_said('"secret paused"')
        assert deadline.met(lambda: _paused(home) == "refused", WITHIN)
        worker.send(signal.SIGTERM)
        worker.end()
    with home.running("worker") as later:
        later.await_said('"secret paused"')
        publish(home, trigger("t2", told))
        held = _waiting(home, "t1")
        shown, status = home.read("secret", "show", "office"), home.run("key", "status")
        edited = json.dumps(right)
        home.run("secret", "edit", "office", "--value-file", "-", given=edited)
        replaced = _paused(home)
        later.await_said('"outcome": "delivered"', 2)
        later.send(signal.SIGTERM)
        later.end()

    assert isinstance(shown, dict)
    (pause,) = shown["pauses"]
    assert (shown["paused"], pause["kind"], pause["worker"]) == (
        "refused",
        "refused",
        None,
    )
    assert "535" in pause["reason"]
    assert (held["waits_for"], held["pauses"]) == (secret, [pause])
    assert pause["since"].startswith("20")
    assert "1 secret is paused, the credential was refused" in status
    assert replaced is None
    assert len(postfix.mails(2)) == 2
    first = _list(home, "attempt", "--trigger", "t2")
    assert [each["outcome"] for each in first] == ["delivered"]


def _paused(home: Home) -> object:
    (secret,) = _list(home, "secret")
    return secret["paused"]


def _waits_until_replaced(home: Home, does: object, right: object) -> str:
    """Return for which reason the first of three triggers had to wait."""
    told = home.create("action", action("tell", does))
    home.create("policy", EVERYTHING)
    given = json.dumps(right)
    (secret,) = _list(home, "secret")

    with home.running("worker") as worker:
        publish(home, trigger("t1", told))
        worker.await_said('"secret paused"')
        waiting = _waiting(home, "t1")
        publish(home, trigger("t2", told), trigger("t3", told))
        home.run("secret", "edit", str(secret["id"]), "--value-file", "-", given=given)
        worker.await_said('"outcome": "delivered"', 3)
        worker.send(signal.SIGTERM)
        worker.end()

    assert waiting["attempts"] == 0
    assert waiting["settled_at"] == "never"
    assert waiting["dead_letter"] is None
    (refused,) = _records(waiting)
    assert (refused["outcome"], refused["blame"]) == ("deferred", "credential")
    assert (refused["settlement"], refused["spent"]) == ("try again", False)
    assert refused["attempt"] == 1
    attempts = _list(home, "attempt", "--trigger", "t1")
    made = [(one["attempt"], one["secret_version"]) for one in attempts]
    # A probe of the wrong key may have come before it was replaced.
    assert made[0] == (1, 2)
    assert {*made[1:]} == {(1, 1)}
    return str(refused["reason"])


def _waiting(home: Home, id_: str) -> Mapping[str, object]:
    """Return where the trigger stands, once it is on no worker's loan."""
    seen: list[Mapping[str, object]] = []

    def is_waiting() -> bool:
        shown = home.read("trigger", "show", id_)
        assert isinstance(shown, dict)
        seen.append(shown)
        return bool(shown["state"] == "waiting" and shown["attempt_records"])

    assert deadline.met(is_waiting, WITHIN), seen[-1]
    return seen[-1]


def _records(shown: Mapping[str, object]) -> list[dict[str, object]]:
    records = shown["attempt_records"]
    assert isinstance(records, list)
    return records


def _list(home: Home, noun: str, *arguments: str) -> list[dict[str, object]]:
    listed = home.read(noun, "list", *arguments)
    assert isinstance(listed, list)
    return listed
