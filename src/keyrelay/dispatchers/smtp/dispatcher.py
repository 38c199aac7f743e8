"""The dispatcher for mail: from a message and a secret to an outcome."""

import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from keyrelay.dispatchers.scrub import scrub
from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.compose import ComposedMail, HeaderInjected, compose
from keyrelay.dispatchers.smtp.connect import Connector, Resolve, system_resolve
from keyrelay.dispatchers.smtp.credentials import (
    NAME,
    SmtpCredentials,
    smtp_credentials,
)
from keyrelay.dispatchers.smtp.greeting import Opener
from keyrelay.dispatchers.smtp.limits import STANDARD, Limits
from keyrelay.dispatchers.smtp.pool import PoolKey, SessionPool
from keyrelay.dispatchers.smtp.reply import Broken
from keyrelay.dispatchers.smtp.session import SmtpSession, Stale
from keyrelay.dispatchers.smtp.starttls import StartTls
from keyrelay.dispatchers.smtp.transaction import transact
from keyrelay.model.action import Message
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Blame, Deferred, Delivered, Fault, Outcome, Rejected
from keyrelay.model.secret import OpenedSecret, Secret
from keyrelay.network.egress import Egress


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpDispatcher:
    """Sends mails (ports.Dispatcher); `smtp_dispatcher` puts one together."""

    ports: Collection[int]
    sessions: SessionPool

    async def dispatch(self, message: Message, secret: OpenedSecret) -> Outcome:
        """Try once. No text of the outcome holds what is in the secret."""
        assert isinstance(message, Mail)
        if not message.recipients:
            return Delivered("every recipient was settled by an earlier attempt")
        if secret.secret.type != NAME:
            return Rejected("the action's secret is not of type smtp", Fault.DEFINITION)
        try:
            credentials = smtp_credentials(secret.value, self.ports)
            envelope = compose(message)
        except InvalidDefinition as fact:
            return Rejected(f"the secret is refused: {fact}", Fault.DEFINITION)
        except HeaderInjected:
            return Rejected("the mail's texts would make headers", Fault.TRIGGER)
        outcome = await self._attempt(secret.secret, credentials, envelope)
        values = (credentials.username, credentials.password.reveal())
        return _scrubbed(outcome, values)

    async def close(self) -> None:
        """End the sessions that are not in use."""
        await self.sessions.close()

    async def _attempt(
        self, secret: Secret, credentials: SmtpCredentials, envelope: ComposedMail
    ) -> Outcome:
        key = PoolKey(
            secret=secret.id,
            version=secret.version,
            host=credentials.smtp_server,
            port=credentials.smtp_port,
        )
        return await self._send(key, credentials, envelope, fresh=False)

    async def _send(
        self,
        key: PoolKey,
        credentials: SmtpCredentials,
        envelope: ComposedMail,
        *,
        fresh: bool,
    ) -> Outcome:
        lending = self.sessions.lend(key, credentials, fresh=fresh)
        try:
            async with lending as lent:
                if isinstance(lent, SmtpSession):
                    return await transact(lent, envelope)
                return lent
        except Stale:
            # No attempt yet: the server had hung up before it was asked anything.
            # A fresh session is never stale.
            return await self._send(key, credentials, envelope, fresh=True)
        except Broken as fact:
            return Deferred(str(fact), blame=Blame.PEER)


def smtp_dispatcher(
    *,
    ports: Collection[int],
    egress: Egress,
    tls: ssl.SSLContext,
    now: Callable[[], datetime],
    limits: Limits = STANDARD,
    resolve: Resolve = system_resolve,
) -> SmtpDispatcher:
    opener = Opener(
        connector=Connector(egress=egress, within=limits.connect, resolve=resolve),
        starttls=StartTls(context=tls, within=limits.command),
        limits=limits,
    )
    return SmtpDispatcher(ports=ports, sessions=SessionPool(opener=opener, now=now))


def _scrubbed(outcome: Outcome, values: Collection[str]) -> Outcome:
    """The one way out of here for a peer's words."""
    parts = tuple(
        replace(part, answer=scrub(part.answer, values)) for part in outcome.parts
    )
    if isinstance(outcome, Delivered):
        return replace(outcome, receipt=scrub(outcome.receipt, values), parts=parts)
    return replace(outcome, reason=scrub(outcome.reason, values), parts=parts)
