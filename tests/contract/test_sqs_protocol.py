"""The SQS dispatcher over real sockets, against a peer that answers as told."""

import asyncio
import gc
import json
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from botocore.credentials import Credentials
from botocore.loaders import Loader

from keyrelay.dispatchers.sqs.client import SqsClientFactory
from keyrelay.dispatchers.sqs.dispatcher import SqsDispatcher
from keyrelay.dispatchers.sqs.http_session import ConnectionFailed, open_http_session
from keyrelay.dispatchers.sqs.instruction import QueueMessage, QueueMessages
from keyrelay.dispatchers.sqs.pool import SenderPool
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)
from keyrelay.model.secret import OpenedSecret, Secret, SecretValue
from keyrelay.network.egress import Egress
from keyrelay.ports import StillHeld
from tests.contract.sqs_peer import (
    KEY,
    KEY_ID,
    REGION,
    Peer,
    Responder,
    breaks_off,
    fails,
    hangs_up,
    is_silent,
    refuses,
    resets,
    running_peer,
    says,
    trickles,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE = timedelta(seconds=20)


@pytest.fixture(name="peer")
async def fresh_peer() -> AsyncIterator[Peer]:
    async with running_peer() as peer:
        yield peer


@pytest.fixture(name="dispatcher")
async def fresh_dispatcher(peer: Peer) -> AsyncIterator[SqsDispatcher]:
    dispatcher = dispatcher_for(peer.endpoint)
    yield dispatcher
    await dispatcher.close()


def dispatcher_for(endpoint: str, timeout: timedelta = PATIENCE) -> SqsDispatcher:
    endpoints = frozenset({endpoint})
    clients = SqsClientFactory(egress=Egress(), trusted=endpoints, timeout=timeout)
    return SqsDispatcher(
        endpoints=endpoints, pool=SenderPool(make=clients.make, now=lambda: NOON)
    )


def opened(
    url: str, *, version: int = 1, key: str = KEY, token: str | None = None
) -> OpenedSecret:
    value = {
        "aws_region": REGION,
        "queue_url": url,
        "access_key_id": KEY_ID,
        "secret_access_key": key,
        **({"session_token": token} if token else {}),
    }
    return OpenedSecret(
        secret=Secret(
            id="5f" * 12,
            profile="6a" * 12,
            key="orders",
            type="aws-sqs",
            version=version,
            tags=(),
        ),
        value=SecretValue(json.dumps(value)),
    )


def messages(*bodies: str, group: str | None = None) -> QueueMessages:
    return QueueMessages(
        tuple(
            QueueMessage(
                part=str(number),
                body=body,
                group_id=group,
                deduplication_id=f"t.{number}",
                delay=timedelta(seconds=3),
                attributes=(("unit", "°C"),),
            )
            for number, body in enumerate(bodies)
        )
    )


def left_of(trigger: QueueMessages, outcome: Outcome) -> QueueMessages:
    done = {part.name for part in outcome.parts if part.settled}
    return QueueMessages(tuple(m for m in trigger.messages if m.part not in done))


async def test_a_message_arrives_as_it_was_composed(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    outcome = await dispatcher.dispatch(
        messages("grüße", group="g"), opened(peer.queue())
    )

    assert isinstance(outcome, Delivered)
    (received,) = peer.received
    assert received.body == {
        "QueueUrl": peer.queue(),
        "Entries": [
            {
                "Id": "0",
                "MessageBody": "grüße",
                "MessageGroupId": "g",
                "DelaySeconds": 3,
                "MessageAttributes": {
                    "unit": {"DataType": "String", "StringValue": "°C"}
                },
            }
        ],
    }
    assert f"Credential={KEY_ID}/" in received.headers["Authorization"]
    assert f"/{REGION}/sqs/" in received.headers["Authorization"]


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE/+="])
async def test_a_session_token_is_sent_where_the_secret_has_one(
    dispatcher: SqsDispatcher, peer: Peer, token: str | None
) -> None:
    secret = opened(peer.queue(), token=token)

    outcome = await dispatcher.dispatch(messages("hello"), secret)

    assert isinstance(outcome, Delivered)
    (received,) = peer.received
    sent = {name.lower(): text for name, text in received.headers.items()}
    assert sent.get("x-amz-security-token") == token


async def test_concurrent_triggers_share_a_call_over_one_connection(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    await dispatcher.dispatch(messages("first"), opened(peer.queue()))
    for _ in range(3):
        await asyncio.gather(
            *(
                dispatcher.dispatch(messages(str(n)), opened(peer.queue()))
                for n in range(10)
            )
        )

    assert [len(call) for call in peer.calls] == [1, 10, 10, 10]
    assert len(peer.connections) == 1


async def test_what_a_partial_batch_took_is_never_sent_again(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    await dispatcher.dispatch(messages("first"), opened(peer.queue()))
    peer.next += [fails({"b": ("InternalError", False), "d": ("InvalidThing", True)})]
    triggers = [messages("a", "b"), messages("c"), messages("d", "e")]

    first = await asyncio.gather(
        *(dispatcher.dispatch(trigger, opened(peer.queue())) for trigger in triggers)
    )
    again = left_of(triggers[0], first[0])
    second = await dispatcher.dispatch(again, opened(peer.queue()))

    deferred, delivered, rejected = first
    assert isinstance(deferred, Deferred)
    assert deferred.blame is Blame.MESSAGE
    assert isinstance(delivered, Delivered)
    assert isinstance(rejected, Rejected)
    assert rejected.fault is Fault.TRIGGER
    assert isinstance(second, Delivered)
    assert [sorted(call) for call in peer.calls[1:]] == [list("abcde"), ["b"]]


async def test_a_retry_on_a_fifo_queue_keeps_the_deduplication_id(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    queue = opened(peer.queue("orders.fifo"))
    peer.next += [hangs_up]
    trigger = messages("a", group="g")

    first = await dispatcher.dispatch(trigger, queue)
    second = await dispatcher.dispatch(left_of(trigger, first), queue)

    assert isinstance(first, Uncertain)
    assert isinstance(second, Delivered)
    ids = [r.entries[0]["MessageDeduplicationId"] for r in peer.received]
    assert ids == ["t.0", "t.0"]


@pytest.mark.parametrize("answer", [hangs_up, resets, breaks_off])
async def test_a_connection_lost_after_the_request_is_uncertain_and_not_retried(
    dispatcher: SqsDispatcher, peer: Peer, answer: Responder
) -> None:
    peer.next += [answer]

    outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

    assert isinstance(outcome, Uncertain)
    assert len(peer.received) == 1


@pytest.mark.parametrize("slow", [is_silent, trickles])
async def test_a_reply_that_takes_too_long_is_uncertain(
    peer: Peer, slow: Callable[[Peer], Responder]
) -> None:
    dispatcher = dispatcher_for(peer.endpoint, timeout=timedelta(seconds=0.5))
    peer.next += [slow(peer)]

    outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))
    await dispatcher.close()

    assert isinstance(outcome, Uncertain)
    assert len(peer.received) == 1


@pytest.mark.parametrize(
    "answer",
    [
        says(200, "<html>"),
        says(200, ""),
        says(200, "{}"),
        says(200, "[]"),
        says(200, "1"),
        says(200, '{"Successful": [1], "Failed": 2}'),
        says(200, '{"Successful": [null], "Failed": [{"Id": null}]}'),
        says(200, '{"Successful": [{"Id": "1", "MessageId": "another\'s"}]}'),
        says(500, "<html>"),
        says(502, "bad gateway"),
        says(504, ""),
        refuses("InternalFailure", 500),
    ],
)
async def test_a_reply_that_proves_nothing_is_uncertain_and_not_retried(
    dispatcher: SqsDispatcher, peer: Peer, answer: Responder
) -> None:
    peer.next += [answer]

    outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

    assert isinstance(outcome, Uncertain)
    assert len(peer.received) == 1


@pytest.mark.parametrize(
    ("answer", "blame"),
    [
        (refuses("ServiceUnavailable", 503), Blame.PEER),
        (refuses("RequestThrottled", 403), Blame.RATE),
        (refuses("ThrottlingException", 400), Blame.RATE),
        (refuses("KmsThrottled", 400), Blame.RATE),
        (refuses("InvalidSignatureException", 403, "Signature expired: 2"), Blame.PEER),
        (says(307, "", {"Location": "http://127.0.0.1:1/"}), Blame.PEER),
        (refuses("InvalidClientTokenId", 403), Blame.CREDENTIAL),
        (refuses("UnrecognizedClientException", 400), Blame.CREDENTIAL),
        (refuses("AccessDeniedException", 400), Blame.CREDENTIAL),
    ],
)
async def test_a_refused_call_is_deferred_and_not_retried(
    dispatcher: SqsDispatcher, peer: Peer, answer: Responder, blame: Blame
) -> None:
    peer.next += [answer]

    outcome = await dispatcher.dispatch(messages("a", "b"), opened(peer.queue()))

    assert isinstance(outcome, Deferred)
    assert outcome.blame is blame
    assert outcome.spends_attempt is (blame is Blame.PEER)
    assert len(peer.received) == 1


async def test_the_wait_that_a_throttling_peer_asks_for_is_kept(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    peer.next += [refuses("RequestThrottled", 403, headers={"Retry-After": "17"})]

    outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

    assert isinstance(outcome, Deferred)
    assert outcome.not_before == timedelta(seconds=17)


@pytest.mark.parametrize(
    "query", ["AWS.SimpleQueueService.NonExistentQueue;Sender", ""]
)
async def test_a_queue_that_does_not_exist_is_the_definitions_fault(
    dispatcher: SqsDispatcher, peer: Peer, query: str
) -> None:
    headers = {"x-amzn-query-error": query} if query else {}
    peer.next += [refuses("QueueDoesNotExist", 400, headers=headers)]

    outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION


async def test_a_call_refused_for_one_entry_is_taken_apart(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    peer.next += [
        refuses("InvalidMessageContents", 400),
        refuses("InvalidMessageContents", 400),
    ]

    spoilt, good = await asyncio.gather(
        dispatcher.dispatch(messages("a"), opened(peer.queue())),
        dispatcher.dispatch(messages("b"), opened(peer.queue())),
    )

    assert isinstance(spoilt, Rejected)
    assert isinstance(good, Delivered)
    assert peer.calls == [["a", "b"], ["a"], ["b"]]


async def test_a_wrong_key_is_refused_and_its_replacement_is_used(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    wrong = opened(peer.queue(), version=1, key="wrong")
    right = opened(peer.queue(), version=2)

    first = await dispatcher.dispatch(messages("a"), wrong)
    second = await dispatcher.dispatch(messages("a"), right)

    assert isinstance(first, Deferred)
    assert first.blame is Blame.CREDENTIAL
    assert isinstance(second, Delivered)


async def test_a_port_that_is_closed_means_that_nothing_was_sent() -> None:
    async with running_peer() as gone:
        pass
    dispatcher = dispatcher_for(gone.endpoint)

    outcome = await dispatcher.dispatch(messages("a"), opened(gone.queue()))
    await dispatcher.close()

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.PEER
    assert "nothing was sent" in outcome.reason


async def test_a_redirect_is_not_followed(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    async with running_peer() as trap:
        peer.next += [says(308, "", {"Location": f"{trap.endpoint}/"})]

        outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

        assert isinstance(outcome, Deferred)
        assert trap.received == []


async def test_the_queues_own_limit_is_read(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    peer.limit = 2000

    large = await dispatcher.dispatch(messages("x" * 2000), opened(peer.queue()))
    small = await dispatcher.dispatch(messages("x" * 1900), opened(peer.queue()))

    assert isinstance(large, Rejected)
    assert isinstance(small, Delivered)
    assert len(peer.received) == 2


@pytest.mark.parametrize("limit", [None, "1", "{}", '{"Attributes": {}}', "<html>"])
async def test_a_limit_that_cannot_be_read_is_that_of_sqs(
    dispatcher: SqsDispatcher, peer: Peer, limit: str | None
) -> None:
    peer.limit = limit

    outcome = await dispatcher.dispatch(messages("x" * 300_000), opened(peer.queue()))

    assert isinstance(outcome, Delivered)


async def test_a_call_never_exceeds_a_mebibyte(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    big = messages(*["x" * 400_000] * 4)

    await dispatcher.dispatch(big, opened(peer.queue()))
    outcome = await dispatcher.dispatch(big, opened(peer.queue()))

    assert isinstance(outcome, Delivered)
    assert [len(call) for call in peer.calls][-2:] == [2, 2]
    assert sum(len(call) for call in peer.calls) == 8


@pytest.mark.parametrize(
    "answer",
    [
        refuses("AccessDenied", 403, f"the key {KEY} of {KEY_ID} may not"),
        refuses("InvalidMessageContents", 400, f"({KEY})"),
        fails({"a": (f"Code{KEY}", False)}),
        says(503, json.dumps({"__type": KEY, "message": KEY})),
    ],
)
async def test_a_peer_that_echoes_the_key_is_not_quoted(
    dispatcher: SqsDispatcher,
    peer: Peer,
    answer: Responder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer.next += [answer]

    with caplog.at_level(logging.DEBUG, logger="keyrelay"):
        outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

    assert not isinstance(outcome, Delivered)
    assert KEY not in repr(outcome)
    assert KEY not in caplog.text


async def test_a_receipt_that_echoes_the_key_is_not_quoted(
    dispatcher: SqsDispatcher, peer: Peer
) -> None:
    taken = {"Successful": [{"Id": "0", "MessageId": f"id {KEY}"}]}
    peer.next += [says(200, json.dumps(taken))]

    outcome = await dispatcher.dispatch(messages("a"), opened(peer.queue()))

    assert isinstance(outcome, Delivered)
    assert KEY not in repr(outcome)


async def test_between_calls_no_client_holds_a_key(peer: Peer) -> None:
    peer.key = secrets.token_hex()
    dispatcher = dispatcher_for(peer.endpoint)
    outcome = await dispatcher.dispatch(
        messages("a"), opened(peer.queue(), key=peer.key)
    )
    assert isinstance(outcome, Delivered)

    gc.collect()
    held = [one for one in gc.get_objects() if isinstance(one, Credentials)]

    assert held  # the client itself has a pair that is no key
    assert all(one.secret_key != peer.key for one in held)
    await dispatcher.close()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """An environment set against us: everything in it leads to the trap."""

    home: Path
    trap: Peer
    variables: dict[str, str] = field(default_factory=dict)


@pytest.fixture(name="surroundings")
async def hostile_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Surroundings]:
    async with running_peer() as trap:
        config = tmp_path / ".aws" / "config"
        config.parent.mkdir()
        config.write_text(
            f"[default]\nregion = us-west-2\nendpoint_url = {trap.endpoint}\n"
            "max_attempts = 5\nretry_mode = adaptive\n"
            "[profile evil]\nregion = us-west-2\nrole_arn = arn:aws:iam::1:role/r\n"
        )
        credentials = tmp_path / ".aws" / "credentials"
        credentials.write_text(
            "[default]\naws_access_key_id = EVIL\naws_secret_access_key = evil\n"
        )
        models = tmp_path / ".aws" / "models"
        model = models / "sqs" / "2099-01-01" / "service-2.json"
        model.parent.mkdir(parents=True)
        model.write_text("not a model")
        # botocore has looked for HOME when it was imported.
        monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(models))
        variables = {
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": trap.endpoint,
            "AWS_ENDPOINT_URL_SQS": trap.endpoint,
            "AWS_PROFILE": "missing",
            "AWS_DEFAULT_PROFILE": "missing",
            "AWS_REGION": "us-west-2",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_ACCESS_KEY_ID": "EVIL",
            "AWS_SECRET_ACCESS_KEY": "evil",
            "AWS_SESSION_TOKEN": "evil",
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": trap.endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": trap.endpoint,
            "AWS_DEFAULTS_MODE": "auto",
            "AWS_DATA_PATH": str(models),
            "AWS_CA_BUNDLE": str(tmp_path / "missing.pem"),
            "REQUESTS_CA_BUNDLE": str(tmp_path / "missing.pem"),
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "AWS_MAX_ATTEMPTS": "5",
            "AWS_RETRY_MODE": "adaptive",
            "AWS_CSM_ENABLED": "true",
            "AWS_BEARER_TOKEN_SQS": "evil",
            "AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "HTTP_PROXY": trap.endpoint,
            "http_proxy": trap.endpoint,
            "ALL_PROXY": trap.endpoint,
            "all_proxy": trap.endpoint,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield Surroundings(home=tmp_path, trap=trap, variables=variables)


async def test_nothing_in_the_surroundings_matters(
    surroundings: Surroundings, dispatcher: SqsDispatcher, peer: Peer
) -> None:
    peer.next += [hangs_up]

    first = await dispatcher.dispatch(messages("a"), opened(peer.queue()))
    second = await dispatcher.dispatch(messages("b"), opened(peer.queue()))

    assert isinstance(first, Uncertain)
    assert isinstance(second, Delivered)
    assert surroundings.trap.received == []
    assert peer.calls == [["a"], ["b"]]
    for received in peer.received:
        assert f"Credential={KEY_ID}/" in received.headers["Authorization"]
        assert f"/{REGION}/sqs/" in received.headers["Authorization"]
        assert "evil" not in json.dumps(dict(received.headers)).lower()


@dataclass(frozen=True, slots=True)
class PlainRequest:
    url: str
    method: str = "POST"
    headers: dict[str, str | bytes] = field(default_factory=dict)
    body: bytes | None = b"{}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"])
async def test_an_address_that_is_not_permitted_is_not_connected_to(
    peer: Peer, host: str
) -> None:
    async with open_http_session(
        Egress(), ssl.create_default_context(), PATIENCE
    ) as wire:
        with pytest.raises(ConnectionFailed, match="KEYRELAY_EGRESS_ALLOW"):
            await wire.send(PlainRequest(f"http://{host}:{peer.port}/"))

    assert peer.received == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "missing.invalid"])
async def test_what_is_no_host_name_is_not_connected_to(peer: Peer, host: str) -> None:
    async with open_http_session(
        Egress(), ssl.create_default_context(), PATIENCE
    ) as wire:
        with pytest.raises(ConnectionFailed):
            await wire.send(PlainRequest(f"http://{host}:{peer.port}/"))

    assert peer.received == []


async def test_a_network_that_the_operator_allows_is_connected_to(peer: Peer) -> None:
    egress = Egress((ip_network("127.0.0.0/8"),))
    signature = "AWS4 Credential=a/b,SignedHeaders=host,Signature=0"
    async with open_http_session(
        egress, ssl.create_default_context(), PATIENCE
    ) as wire:
        reply = await wire.send(
            PlainRequest(
                f"http://localhost:{peer.port}/",
                headers={"Authorization": signature.encode(), "X-Amz-Date": "now"},
            )
        )

    assert reply.status_code == 403
    assert len(peer.received) == 1


async def test_an_untrusted_certificate_means_that_nothing_was_sent(
    server_certificate: Path,
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_certificate)
    seen: list[bytes] = []

    async def listen(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        seen.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=tls)
    async with server:
        endpoint = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        dispatcher = dispatcher_for(endpoint)
        secret = opened(f"{endpoint}/123456789012/orders")

        outcome = await dispatcher.dispatch(messages("a"), secret)
        await dispatcher.close()

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.PEER
    assert b"".join(seen) == b""


@pytest.mark.parametrize(
    "lost", [{"a"}, {"c"}, {"a", "b", "c"}], ids=["first", "last", "all"]
)
async def test_messages_whose_lease_was_lost_are_left_out_of_the_call(
    dispatcher: SqsDispatcher, peer: Peer, lost: set[str]
) -> None:
    def held(body: str) -> StillHeld:
        async def still_held() -> bool:
            return body not in lost

        return still_held

    async with asyncio.TaskGroup() as group:
        tasks = {
            body: group.create_task(
                dispatcher.dispatch(messages(body), opened(peer.queue()), held(body))
            )
            for body in ("a", "b", "c")
        }

    for body, task in tasks.items():
        wanted = Deferred if body in lost else Delivered
        assert isinstance(task.result(), wanted)
    sent = str([call.body for call in peer.received])
    for body in ("a", "b", "c"):
        assert (f"'MessageBody': '{body}'" in sent) is (body not in lost)
