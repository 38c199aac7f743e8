"""The channel `email-smtp`: mails through the administrator's own provider."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from keyrelay.dispatchers.channel import Channel
from keyrelay.dispatchers.smtp.action import FIELDS, NAME, parse_email_smtp
from keyrelay.dispatchers.smtp.credentials import smtp_secret
from keyrelay.dispatchers.smtp.preview import preview_mail
from keyrelay.dispatchers.smtp.service import mail_service
from keyrelay.model.action import ActionType
from keyrelay.network.egress import egress_to
from keyrelay.ports import Dispatcher


class SmtpSettings(Protocol):
    """The settings that concern mail."""

    @property
    def smtp_ports(self) -> Collection[int]: ...

    @property
    def smtp_ca_file(self) -> Path | None: ...

    @property
    def smtp_name(self) -> str | None: ...

    @property
    def egress_allow(self) -> Collection[str]: ...


def smtp_channel(settings: SmtpSettings) -> Channel:
    """Return the channel as these settings allow it."""
    ports = frozenset(settings.smtp_ports)
    return Channel(
        action=ActionType(
            name=NAME,
            secret=smtp_secret(ports),
            fields=FIELDS,
            parse=parse_email_smtp,
            preview=preview_mail,
        ),
        open=partial(_open, settings),
        service=mail_service(ports),
    )


@asynccontextmanager
async def _open(settings: SmtpSettings) -> AsyncIterator[Dispatcher]:
    from keyrelay.dispatchers.smtp.connect import Connector
    from keyrelay.dispatchers.smtp.dispatcher import smtp_dispatcher
    from keyrelay.dispatchers.smtp.limits import STANDARD
    from keyrelay.dispatchers.smtp.starttls import tls_context

    dispatcher = smtp_dispatcher(
        ports=frozenset(settings.smtp_ports),
        connector=Connector(
            egress=egress_to(settings.egress_allow), within=STANDARD.connect
        ),
        tls=tls_context(settings.smtp_ca_file),
        now=lambda: datetime.now(UTC),
        name=settings.smtp_name,
    )
    try:
        yield dispatcher
    finally:
        await dispatcher.close()
