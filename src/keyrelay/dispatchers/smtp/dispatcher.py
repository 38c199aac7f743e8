"""Dispatcher: sends a trigger's mail."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.compose import ComposedMail, HeaderInjected, compose
from keyrelay.dispatchers.smtp.connect import Connector
from keyrelay.dispatchers.smtp.credentials import (
    NAME,
    SmtpCredentials,
    smtp_credentials,
)
from keyrelay.dispatchers.smtp.limits import STANDARD, Limits
from keyrelay.dispatchers.smtp.opener import SessionOpener
from keyrelay.dispatchers.smtp.pool import SessionKey, SessionPool
from keyrelay.dispatchers.smtp.reply import ConversationFailed
from keyrelay.dispatchers.smtp.session import (
    SessionExhausted,
    SmtpSession,
    StaleSession,
)
from keyrelay.dispatchers.smtp.starttls import StartTls
from keyrelay.dispatchers.smtp.transaction import transact
from keyrelay.model.action import Message
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Blame, Deferred, Delivered, Fault, Outcome, Rejected
from keyrelay.model.secret import OpenedSecret, Secret
from keyrelay.ports import StillHeld

Send = Callable[[SmtpSession], Awaitable[Outcome]]

_LARGEST_IN_LOOP = 256 * 1024  # characters, and bytes of attachments


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpDispatcher:
    """Sends mails (ports.Dispatcher); `smtp_dispatcher` assembles one.

    Secrets may name these `ports` of a server.
    """

    ports: Collection[int]
    pool: SessionPool

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        """Make one attempt. No text of the outcome holds the secret's values."""
        assert isinstance(message, Mail)
        if not message.recipients:
            return Delivered("every recipient was settled by an earlier attempt")
        if secret.secret.type != NAME:
            return Rejected("the action's secret is not of type smtp", Fault.DEFINITION)
        try:
            credentials = smtp_credentials(secret.value, self.ports)
            mail = await _composed(message)
        except InvalidDefinition as invalid:
            return Rejected(f"the secret is refused: {invalid}", Fault.DEFINITION)
        except HeaderInjected:
            return Rejected("the mail's texts would make headers", Fault.TRIGGER)
        send = partial(transact, mail=mail, still_held=still_held)
        return await self._attempt(secret.secret, credentials, send)

    async def close(self) -> None:
        """End the sessions that are not in use."""
        await self.pool.close()

    async def _attempt(
        self, secret: Secret, credentials: SmtpCredentials, send: Send
    ) -> Outcome:
        key = SessionKey(
            secret=secret.id,
            version=secret.version,
            host=credentials.smtp_server,
            port=credentials.smtp_port,
        )
        return await self._send(key, credentials, send, fresh=False)

    async def _send(
        self,
        key: SessionKey,
        credentials: SmtpCredentials,
        send: Send,
        *,
        fresh: bool,
    ) -> Outcome:
        acquired = self.pool.acquire(key, credentials, fresh=fresh)
        try:
            async with acquired as session:
                if isinstance(session, SmtpSession):
                    return await send(session)
                return session
        except StaleSession:
            # Not an attempt: the server had hung up before this mail was offered to it.
            # A fresh session is never stale, so this does not repeat.
            return await self._send(key, credentials, send, fresh=True)
        except SessionExhausted:
            # Another session may have room; one that has taken no mail gives the
            # outcome, so that this ends, and no login is made beside one that waits.
            return await self._send(key, credentials, send, fresh=False)
        except ConversationFailed as failure:
            return Deferred(str(failure), blame=Blame.PEER)


async def _composed(mail: Mail) -> ComposedMail:
    """Compose a large mail in a thread, as the event loop would stand still."""
    files = sum(len(each.content) for each in mail.instruction.content.attachments)
    if len(mail.text) + len(mail.html or "") + files <= _LARGEST_IN_LOOP:
        return compose(mail)
    return await asyncio.to_thread(compose, mail)


def smtp_dispatcher(
    *,
    ports: Collection[int],
    connector: Connector,
    tls: ssl.SSLContext,
    now: Callable[[], datetime],
    limits: Limits = STANDARD,
    name: str | None = None,
) -> SmtpDispatcher:
    """Assemble a dispatcher.

    `tls` has to verify the server's certificate and host name. `now` returns the time,
    as an aware datetime. `name` is a SessionOpener's.
    """
    opener = SessionOpener(
        connector=connector,
        starttls=StartTls(context=tls, within=limits.command),
        limits=limits,
        name=name,
    )
    return SmtpDispatcher(ports=ports, pool=SessionPool(opener=opener, now=now))
