"""Listening: where the API is served and how, as the settings say."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address

from keyrelay.api.border.limits import BorderLimits
from keyrelay.api.peers import address_of
from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.network.egress import Network, parse_networks
from keyrelay.network.tls import UnreadableCertificates, server_context

OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """`trusted` are the networks of the proxies that are believed.

    `grace` is how long requests under way are waited for when the server stops.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    trusted: Sequence[Network] = ()
    grace: timedelta = timedelta(seconds=30)
    limits: BorderLimits = field(default_factory=BorderLimits)

    def url(self, port: int) -> str:
        """Return the URL at which it listens on that port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{host}:{port}"


def listening(settings: Settings) -> Listening | None:
    """Return where to serve the API, or None if it is off. Raises InvalidSettings."""
    if settings.api == OFF:
        return None
    host, _, port = settings.api.rpartition(":")
    found = Listening(
        host=host.strip("[]"),
        port=int(port),
        tls=_tls(settings),
        trusted=parse_networks(",".join(settings.api_trusted_proxies)),
        grace=timedelta(seconds=settings.grace_seconds),
    )
    if not (found.tls or found.trusted or settings.api_insecure or _is_local(found)):
        raise InvalidSettings(
            f"setting api: at {settings.api} tokens would cross the network in clear;"
            " set api_tls_certificate and api_tls_key, or api_trusted_proxies, or"
            " api_insecure=true"
        )
    return found


def _is_local(found: Listening) -> bool:
    address = address_of(found.host)
    if isinstance(address, IPv4Address | IPv6Address):
        return address.is_loopback
    return found.host == "localhost"


def _tls(settings: Settings) -> ssl.SSLContext | None:
    certificate, key = settings.api_tls_certificate, settings.api_tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InvalidSettings(
            "settings api_tls_certificate and api_tls_key: one needs the other"
        )
    try:
        return server_context(certificate, key)
    except UnreadableCertificates as fault:
        raise InvalidSettings(
            f"settings api_tls_certificate and api_tls_key: {certificate} and {key}"
            f" cannot be used: {fault}"
        ) from None
