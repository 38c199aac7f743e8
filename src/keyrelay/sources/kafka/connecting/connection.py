"""Connection: what every Kafka client needs to connect."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from keyrelay.model.secret import SecretValue
from keyrelay.network.tls import UnreadableCertificates, system_context
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.connecting.access import Access, password_of
from keyrelay.sources.kafka.connecting.address import Address

_CLIENT = "keyrelay"


class ClientArguments(TypedDict):
    """The arguments that aiokafka's consumer, producer and administrator share."""

    bootstrap_servers: list[str]
    client_id: str
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Connection:
    """Without a SASL `mechanism` there is no login, without `tls` no TLS."""

    address: Address
    tls: ssl.SSLContext | None
    mechanism: str | None
    username: str | None
    password: SecretValue | None

    def arguments(self) -> ClientArguments:
        """Return the arguments of a client; the password is among them."""
        return ClientArguments(
            bootstrap_servers=list(self.address.brokers),
            client_id=_CLIENT,
            security_protocol=self._protocol(),
            ssl_context=self.tls,
            sasl_mechanism=self.mechanism or "PLAIN",  # aiokafka's default
            sasl_plain_username=self.username,
            sasl_plain_password=self.password.reveal() if self.password else None,
        )

    def _protocol(self) -> str:
        if self.mechanism is None:
            return "PLAINTEXT" if self.tls is None else "SSL"
        return "SASL_PLAINTEXT" if self.tls is None else "SASL_SSL"


def connection_to(address: Address, access: Access) -> Connection:
    """Read the certificates and the password. Raises Unavailable."""
    return Connection(
        address=address,
        tls=tls_context(access.ca_file) if access.tls else None,
        mechanism=access.mechanism,
        username=access.username,
        password=password_of(access),
    )


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities and those in `ca_file`. Raises Unavailable."""
    try:
        return system_context(ca_file)
    except UnreadableCertificates as fault:
        raise Unavailable(
            f"KEYRELAY_KAFKA_CA_FILE must name a file of certificates (PEM): {fault}"
        ) from None
