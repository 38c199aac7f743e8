"""Diagnosis: why no broker could be reached, in one sentence with a remedy.

aiokafka says only that it could not bootstrap, and logs the reason. So the connection
beneath its client is tried once more with each broker that the URL names.
"""

import asyncio
import ssl
from contextlib import suppress

from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.connecting.connection import Connection

_WRONG_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_, _IP_ADDRESS_MISMATCH
_PATIENCE = 5_000  # milliseconds
_FAREWELL = 2.0  # seconds


async def diagnose(connection: Connection) -> Unavailable:
    """Return the exception to raise when no broker could be reached."""
    faults = []
    for broker in connection.address.brokers:
        fault = await _fault(connection, broker)
        if fault is None:
            return Unavailable(f"Kafka did not answer; {broker} does again")
        faults.append(f"{broker} {fault}")
    return Unavailable(f"Kafka cannot be reached: {'; '.join(faults)}")


async def _fault(connection: Connection, broker: str) -> str | None:
    try:
        await _connect(connection, broker)
    except (OSError, KafkaError, ValueError) as error:
        return _words(error, connection.mechanism)
    return None


def _words(error: Exception, mechanism: str | None) -> str:
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in _WRONG_NAME:
            return "has a certificate for another name; use the name that is in it"
        case ssl.SSLCertVerificationError(verify_message=why):
            remedy = "name its authority in KEYRELAY_KAFKA_CA_FILE"
            return f"has a certificate that is not trusted ({why}); {remedy}"
        case ssl.SSLError():
            return "speaks no TLS there; see KEYRELAY_KAFKA_TLS and the port"
        case SaslAuthenticationFailed():
            return "refuses the login; see KEYRELAY_KAFKA_USERNAME and the password"
        case UnsupportedSaslMechanismError():
            return f"does not take {mechanism}; see KEYRELAY_KAFKA_MECHANISM"
        case TimeoutError():
            return "did not answer in time"
        case OSError(strerror=str(why)):
            return f"does not answer ({why})"
        case _:
            return "hung up; see KEYRELAY_KAFKA_TLS, KEYRELAY_KAFKA_MECHANISM, the port"


async def _connect(connection: Connection, broker: str) -> None:
    given = connection.arguments()
    ((host, port, _),) = collect_hosts([broker])
    link = AIOKafkaConnection(
        host,
        port,
        client_id=given["client_id"],
        request_timeout_ms=_PATIENCE,
        security_protocol=given["security_protocol"],
        ssl_context=given["ssl_context"],
        sasl_mechanism=given["sasl_mechanism"],
        sasl_plain_username=given["sasl_plain_username"],
        sasl_plain_password=given["sasl_plain_password"],
    )
    try:
        await link.connect()
    except OSError:  # nothing is open
        raise
    except (KafkaError, ValueError):
        await _close(link)
        raise
    await _close(link)


async def _close(link: AIOKafkaConnection) -> None:
    # Waited for, so that the connection of the client that failed before is closed,
    # too: an event loop that ends during a TLS shutdown logs errors.
    with suppress(TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await link.close()
