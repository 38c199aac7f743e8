"""Client: SendMessageBatch through aioboto3, and nothing taken from the surroundings.

Neither environment variables nor files nor the machine's own role reach it, and it
holds no key: a caller's is lent to it for one call. The libraries used here ship
no types, so what is untyped stays in this file.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import get_cert_path
from botocore.loaders import Loader

from keyrelay.dispatchers.scrub import scrub
from keyrelay.dispatchers.sqs.batches import BatchEntry
from keyrelay.dispatchers.sqs.classify import Refusal
from keyrelay.dispatchers.sqs.credentials import SqsCredentials
from keyrelay.dispatchers.sqs.queue_url import QueueUrl
from keyrelay.dispatchers.sqs.wire import Unanswered, Wire, open_wire
from keyrelay.network.egress import Egress
from keyrelay.network.tls import bundle_context

_SERVICE = "sqs"
_MODELS = (
    (_SERVICE, "service-2"),
    (_SERVICE, "paginators-1"),
    (_SERVICE, "endpoint-rule-set-1"),
)
_MESSAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[0-9]{1,9}")

# botocore's parser believes its peer: JSON of another shape breaks it anyhow.
_UNREADABLE = (BotoCoreError, AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Taken:
    """SQS has the message, under this id."""

    message_id: str


# By an entry's position; some may be missing, and who knows what may be there.
Reply = Mapping[int | None, Taken | Refusal]


@dataclass(frozen=True, slots=True)
class Client:
    """One queue's client for one version of a secret, whose key is lent to each call.

    `lent` are the keys of the calls under way, all alike. It is no ContextVar:
    whatever a call leaves behind, such as a connection, would keep its context.
    """

    queue: QueueUrl
    untyped: Any
    lent: list[AioCredentials] = field(default_factory=list)

    async def send(
        self, entries: Sequence[BatchEntry], credentials: SqsCredentials
    ) -> Reply | Refusal:
        """Send in one call. Raises Unsent or Unanswered."""
        listed = [{"Id": str(n), **entry.fields} for n, entry in enumerate(entries)]
        said = _said_by_peer(credentials)
        try:
            with self._lending(credentials):
                answer = await self.untyped.send_message_batch(
                    QueueUrl=self.queue.url, Entries=listed
                )
        except ClientError as error:
            return _refusal_of_call(error.response, said)
        except _UNREADABLE as error:
            raise Unanswered(f"unreadable reply: {type(error).__name__}") from None
        return _reply(answer, said)

    async def largest_message(self, credentials: SqsCredentials) -> int | None:
        """Return the queue's own limit; None, it may not be read. Raises as `send`."""
        try:
            with self._lending(credentials):
                answer = await self.untyped.get_queue_attributes(
                    QueueUrl=self.queue.url, AttributeNames=["MaximumMessageSize"]
                )
        except ClientError:
            return None
        except _UNREADABLE as error:
            raise Unanswered(f"unreadable reply: {type(error).__name__}") from None
        return _number(answer.get("Attributes", {}).get("MaximumMessageSize"))

    async def close(self) -> None:
        await self.untyped.close()

    def sign_with_what_is_lent(self, request: Any, **_: object) -> None:
        """Called by botocore; without a key lent nothing is signed or sent."""
        known = request.context.get("signing", {})
        request.context["signing"] = {**known, "request_credentials": self.lent[-1]}

    @contextmanager
    def _lending(self, credentials: SqsCredentials) -> Iterator[None]:
        secret = credentials.secret_access_key.reveal()
        pair = AioCredentials(credentials.access_key_id, secret)
        self.lent.append(pair)
        try:
            yield
        finally:
            self.lent.remove(pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsClients:
    """Makes clients; to any address for `trusted` endpoints, else where egress goes."""

    egress: Egress
    trusted: frozenset[str]
    patience: timedelta = timedelta(seconds=20)
    _ready: list[tuple[Any, ssl.SSLContext]] = field(default_factory=list, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def make(self, queue: QueueUrl) -> Client:
        session, tls = await self._prepared()
        egress = None if queue.endpoint in self.trusted else self.egress
        making = session.client(
            _SERVICE,
            region_name=queue.region,
            endpoint_url=queue.endpoint,
            # Never used to sign, and never left out: without a pair botocore
            # looks for one, and finds this machine's own role.
            aws_access_key_id="lent",
            aws_secret_access_key="lent",  # noqa: S106 - not a password
            config=_config(lambda: open_wire(egress, tls, self.patience)),
        )
        client = Client(queue, await making.__aenter__())
        events = client.untyped.meta.events
        events.register(f"before-sign.{_SERVICE}", client.sign_with_what_is_lent)
        return client

    async def _prepared(self) -> tuple[Any, ssl.SSLContext]:
        # In a thread: reading the service's model and the anchors blocks for long.
        async with self._turn:
            if not self._ready:
                self._ready.append(await asyncio.to_thread(_prepare))
        return self._ready[0]


def _prepare() -> tuple[Any, ssl.SSLContext]:
    session = AioSession(session_vars=_without_surroundings())
    # The default loader also reads models from ~/.aws and from AWS_DATA_PATH.
    loader = Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH],
        include_default_search_paths=False,
    )
    session.register_component("data_loader", loader)
    for service, kind in _MODELS:
        loader.load_service_model(service, kind)
    loader.load_data("endpoints")
    loader.load_data("partitions")
    tls = bundle_context(Path(get_cert_path(verify=True)))
    return aioboto3.Session(botocore_session=session), tls


def _without_surroundings() -> dict[str, tuple[None, None, object, object]]:
    """Every variable of botocore's with its default, and no place to read it from."""
    files = {"config_file", "credentials_file"}
    return {
        name: (None, None, None if name in files else default, convert)
        for name, (_, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }


def _config(wire: Callable[[], Wire]) -> AioConfig:
    def session_class(**_: object) -> Wire:  # called with settings that are not ours
        return wire()

    return AioConfig(
        http_session_cls=session_class,
        # The endpoint that is given wins anyhow; this keeps others from being read.
        ignore_configured_endpoint_urls=True,
        # The engine retries; what a call left uncertain must not go out unseen.
        retries={"mode": "standard", "total_max_attempts": 1},
        parameter_validation=False,
        user_agent="keyrelay",
    )


def _said_by_peer(credentials: SqsCredentials) -> Callable[[object], str]:
    def said(text: object) -> str:
        values = (credentials.secret_access_key.reveal(), credentials.access_key_id)
        return scrub(str(text), values)

    return said


def _reply(answer: Mapping[str, Any], said: Callable[[object], str]) -> Reply:
    reply: dict[int | None, Taken | Refusal] = {}
    for entry in _entries(answer, "Failed"):
        reply[_number(entry.get("Id"))] = Refusal(
            code=said(entry.get("Code", "")),
            message=said(entry.get("Message", "")),
            by_sender=entry.get("SenderFault") is True,
        )
    for entry in _entries(answer, "Successful"):
        id_ = str(entry.get("MessageId", ""))
        id_ = id_ if _MESSAGE_ID.fullmatch(id_) else said(id_)
        reply[_number(entry.get("Id"))] = Taken(id_)
    return reply


def _entries(answer: Mapping[str, Any], field_: str) -> list[Mapping[str, Any]]:
    return [entry for entry in answer.get(field_) or () if isinstance(entry, dict)]


def _refusal_of_call(
    response: Mapping[str, Any], said: Callable[[object], str]
) -> Refusal:
    error, about = response.get("Error", {}), response.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode", 500))
    after = _number(about.get("HTTPHeaders", {}).get("retry-after"))
    return Refusal(
        code=said(error.get("Code", "")),
        message=said(error.get("Message", "")),
        by_sender=400 <= status < 500,
        status=status,
        retry_after=None if after is None else timedelta(seconds=after),
    )


def _number(text: object) -> int | None:
    return int(str(text)) if _NUMBER.fullmatch(str(text)) else None
