"""Setting kinds: validators of settings, each with the sentence for a bad value.

Each returns the value or raises ValueError, from which pydantic takes the message.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from keyrelay.databases.server_url import (
    InvalidServerUrl,
    is_server_url,
    parse_server_url,
)
from keyrelay.network.egress import parse_networks
from keyrelay.sources.kafka.connecting.address import parse_address

# Patterns that stand in the schema, too; `$` alone would let a line end through.
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# RFC 5321 sections 4.1.2 and 4.1.3: a domain, or an address literal.
CLIENT_NAME = rf"^(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z.:]+\])$(?!\n)"
LONGEST_CLIENT_NAME = 255
ORIGIN = r"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$(?!\n)"
_UP_TO_65535 = (
    "0*(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]"
    "|6553[0-5])"
)
ADDRESS = rf"^(?:off|[^\s]+:{_UP_TO_65535})$(?!\n)"
# A path ends without a slash: clients write theirs behind it.
API_URL = (
    r"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:/[A-Za-z0-9._~-]+)*$(?!\n)"
)
# The rest of a URL no pattern can tell.
DATABASE = "^(?:sqlite|postgres)"
QUEUE = "^(?:sqlite|kafka:)"

Port = Annotated[int, Field(ge=1, le=65535)]


def split(value: object) -> object:
    """Split `a, b` into a tuple: an environment variable cannot hold a list."""
    if not isinstance(value, str):
        return value
    return tuple(entry.strip() for entry in value.split(",") if entry.strip())


def network(value: str) -> str:
    parse_networks(value)
    return value


Networks = Annotated[
    tuple[Annotated[str, AfterValidator(network)], ...],
    NoDecode,
    BeforeValidator(split),
]


def client_name(value: str | None) -> str | None:
    if value is None or (
        len(value) <= LONGEST_CLIENT_NAME and re.match(CLIENT_NAME, value)
    ):
        return value
    raise ValueError("expected a host name like alerts.example.com, or [192.0.2.1]")


def origin(value: str) -> str:
    if re.match(ORIGIN, value):
        return value
    if value.startswith(("http://", "https://")):
        raise ValueError("an endpoint has a scheme, a host and a port, nothing else")
    raise ValueError("an endpoint looks like http://127.0.0.1:4566")


def database_url(value: SecretStr | None) -> SecretStr | None:
    url = None if value is None else value.get_secret_value()
    if url is None or _is_of(url, "sqlite"):
        return value
    wanted = (
        "expected a URL like sqlite:////var/lib/keyrelay/keyrelay.db"
        " or postgresql://user@host/keyrelay"
    )
    if not is_server_url(url):
        raise ValueError(wanted)
    try:
        parse_server_url(url)
    except InvalidServerUrl as fault:
        raise ValueError(f"{fault}; {wanted}") from None
    return value


def queue_url(value: str | None) -> str | None:
    if value is not None and value.startswith("kafka:"):
        parse_address(value)
        return value
    if value is None or _is_of(value, "sqlite"):
        return value
    raise ValueError(
        "expected a URL like sqlite:////var/lib/keyrelay/queue.db"
        " or kafka://host:9092?topic=keyrelay.triggers"
    )


def address(value: str) -> str:
    return _address(value, "127.0.0.1:9464")


def api_address(value: str) -> str:
    return _address(value, "127.0.0.1:8473")


def url_of_api(value: str | None) -> str | None:
    if value is None or re.match(API_URL, value):
        return value
    raise ValueError(
        "expected a URL like https://keyrelay.example.com or"
        " http://127.0.0.1:8473/keyrelay, without a slash at its end"
    )


def _address(value: str, example: str) -> str:
    if re.match(ADDRESS, value):
        return value
    raise ValueError(f"expected `off`, or an address like {example}")


def _is_of(url: str, *backends: str) -> bool:
    # Imported here: where no URL is set, nothing of SQLAlchemy is needed.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).get_backend_name() in backends
    except (ArgumentError, ValueError):  # ValueError: the port is no number
        return False
