"""Client: SendMessageBatch through aioboto3, with nothing taken from the environment.

Environment variables, files and the machine's own role are not read. The client keeps
no key: each call brings its own. The libraries used here ship no types, so untyped
values stay in this file and in `reply`.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
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

from keyrelay.dispatchers.scrub import Scrubber
from keyrelay.dispatchers.sqs.batches import BatchEntry
from keyrelay.dispatchers.sqs.credentials import SqsCredentials
from keyrelay.dispatchers.sqs.http_session import (
    HttpSession,
    NoReply,
    open_http_session,
)
from keyrelay.dispatchers.sqs.queue_url import QueueUrl
from keyrelay.dispatchers.sqs.reply import (
    BatchReply,
    Refusal,
    Scrub,
    read_number,
    read_refusal,
    read_reply,
)
from keyrelay.network.egress import Egress
from keyrelay.network.tls import bundle_context

_SERVICE = "sqs"
_MODELS = (
    (_SERVICE, "service-2"),
    (_SERVICE, "paginators-1"),
    (_SERVICE, "endpoint-rule-set-1"),
)
# botocore's parser does not check a reply: JSON of another shape raises any of these.
_UNREADABLE = (BotoCoreError, AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class SqsClient:
    """One queue's client for one version of a secret.

    `signing_keys` are those of the calls under way, all equal. They are not in a
    ContextVar, as a connection would keep the context in which it was opened.
    """

    queue: QueueUrl
    boto_client: Any
    signing_keys: list[AioCredentials] = field(default_factory=list)

    async def send(
        self, entries: Sequence[BatchEntry], credentials: SqsCredentials
    ) -> BatchReply | Refusal:
        """Send up to ten entries in one call. Raises ConnectionFailed or NoReply."""
        listed = [{"Id": str(n), **entry.fields} for n, entry in enumerate(entries)]
        scrubbed = _scrubber(credentials)
        try:
            with self._signing_with(credentials):
                answer = await self.boto_client.send_message_batch(
                    QueueUrl=self.queue.url, Entries=listed
                )
        except ClientError as error:
            return read_refusal(error.response, scrubbed)
        except _UNREADABLE as error:
            raise NoReply(f"unreadable reply: {type(error).__name__}") from None
        return read_reply(answer, scrubbed)

    async def largest_message(self, credentials: SqsCredentials) -> int | None:
        """Return the queue's limit in bytes, or None if it may not be read.

        Raises as `send`.
        """
        try:
            with self._signing_with(credentials):
                answer = await self.boto_client.get_queue_attributes(
                    QueueUrl=self.queue.url, AttributeNames=["MaximumMessageSize"]
                )
        except ClientError:
            return None
        except _UNREADABLE as error:
            raise NoReply(f"unreadable reply: {type(error).__name__}") from None
        return read_number(answer.get("Attributes", {}).get("MaximumMessageSize"))

    async def close(self) -> None:
        await self.boto_client.close()

    def choose_signing_key(self, request: Any, **_: object) -> None:
        """Called by botocore before it signs. Without a call under way it raises."""
        known = request.context.get("signing", {})
        request.context["signing"] = {
            **known,
            "request_credentials": self.signing_keys[-1],
        }

    @contextmanager
    def _signing_with(self, credentials: SqsCredentials) -> Iterator[None]:
        secret, token = credentials.secret_access_key, credentials.session_token
        key = AioCredentials(
            credentials.access_key_id,
            secret.reveal(),
            token.reveal() if token else None,
        )
        self.signing_keys.append(key)
        try:
            yield
        finally:
            self.signing_keys.remove(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsClientFactory:
    """Makes clients. Only `trusted` endpoints may have addresses that egress refuses.

    `timeout` bounds each call.
    """

    egress: Egress
    trusted: frozenset[str]
    timeout: timedelta = timedelta(seconds=20)
    _prepared: list[tuple[Any, ssl.SSLContext]] = field(
        default_factory=list, init=False
    )
    _preparing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def make(self, queue: QueueUrl) -> SqsClient:
        session, tls = await self._session()
        egress = None if queue.endpoint in self.trusted else self.egress
        making = session.client(
            _SERVICE,
            region_name=queue.region,
            endpoint_url=queue.endpoint,
            # Never used to sign. Without them botocore would search for a key and
            # find this machine's own role.
            aws_access_key_id="unused",
            aws_secret_access_key="unused",  # noqa: S106 - not a password
            config=_config(lambda: open_http_session(egress, tls, self.timeout)),
        )
        client = SqsClient(queue, await making.__aenter__())
        events = client.boto_client.meta.events
        events.register(f"before-sign.{_SERVICE}", client.choose_signing_key)
        return client

    async def _session(self) -> tuple[Any, ssl.SSLContext]:
        # In a thread: reading the service's model and the trust anchors takes long.
        async with self._preparing:
            if not self._prepared:
                self._prepared.append(await asyncio.to_thread(_prepare))
        return self._prepared[0]


def _prepare() -> tuple[Any, ssl.SSLContext]:
    session = AioSession(session_vars=_without_environment())
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


def _without_environment() -> dict[str, tuple[None, None, object, object]]:
    """Return each variable of botocore with its default and no source to read."""
    files = {"config_file", "credentials_file"}
    return {
        name: (None, None, None if name in files else default, convert)
        for name, (_, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }


def _config(open_session: Callable[[], HttpSession]) -> AioConfig:
    def session_class(**_: object) -> HttpSession:  # botocore's settings are not used
        return open_session()

    return AioConfig(
        http_session_cls=session_class,
        # The given endpoint is used anyway; with this no other is read.
        ignore_configured_endpoint_urls=True,
        # The engine retries: an uncertain call must not be repeated without a record.
        retries={"mode": "standard", "total_max_attempts": 1},
        parameter_validation=False,
        user_agent="keyrelay",
    )


def _scrubber(credentials: SqsCredentials) -> Scrub:
    """Return a function that scrubs a peer's text, for the length of a call."""
    made: list[Scrubber] = []

    def scrubbed(text: object) -> str:
        if not made:  # not before it is needed: what SQS takes has nothing to scrub
            made.append(Scrubber.of(list(_values(credentials))))
        return made[0](str(text))

    return scrubbed


def _values(credentials: SqsCredentials) -> Iterator[str]:
    yield credentials.access_key_id
    yield credentials.secret_access_key.reveal()
    if credentials.session_token is not None:
        yield credentials.session_token.reveal()
