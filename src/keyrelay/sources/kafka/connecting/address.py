"""Address: the brokers, the topic and the consumer group, read from the URL.

    kafka://HOST[:PORT][,HOST[:PORT]…][?topic=NAME][&group=NAME][&profile=NAME]

An IPv6 address stands in brackets. TLS and the login come from the settings kafka_*,
because URLs are shown in process lists and logs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import parse_qsl

from keyrelay.model.documents import InvalidDefinition, require_label

TOPIC = "keyrelay.triggers"
GROUP = "keyrelay"

_PORT = 9092
_LIKE = "kafka://host:9092,host:9092?topic=keyrelay.triggers"
_PARAMETERS = ("topic", "group", "profile")
# Kafka takes 249 characters; the names of the retry topics are longer by a few.
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,200}")
_BROKER = re.compile(r"([a-zA-Z0-9._-]{1,253}|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?")


class InvalidAddress(ValueError):
    """The URL is not one of Kafka; the message says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`brokers` are the bootstrap servers, each `host:port`.

    Triggers that name no profile belong to the one named `profile`; None, each trigger
    must name its own.
    """

    brokers: tuple[str, ...]
    topic: str
    group: str
    profile: str | None


def parse_address(url: str) -> Address:
    """Read a `kafka://` URL, or raise InvalidAddress."""
    plain = url.isascii() and url.isprintable() and "#" not in url
    if not (plain and url.startswith("kafka://")):
        raise InvalidAddress(f"expected a URL like {_LIKE}")
    # Not urlsplit: its message about wrong brackets quotes the URL.
    place, _, query = url.removeprefix("kafka://").partition("?")
    parameters = _parameters(query)
    return Address(
        brokers=_brokers(place),
        topic=_name(parameters.get("topic", TOPIC), "topic"),
        group=_name(parameters.get("group", GROUP), "group"),
        profile=_profile(parameters.get("profile")),
    )


def _parameters(query: str) -> Mapping[str, str]:
    pairs = _pairs(query)
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise InvalidAddress("a parameter of the Kafka URL stands twice")
    if not parameters.keys() <= set(_PARAMETERS):
        raise InvalidAddress(
            f"the Kafka URL has an unknown parameter; it takes {', '.join(_PARAMETERS)}"
        )
    return parameters


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict"
        )
    except ValueError:  # not raised on: it quotes the URL
        pass
    raise InvalidAddress(f"the parameters of the Kafka URL look like {_LIKE}")


def _brokers(place: str) -> tuple[str, ...]:
    if "@" in place:
        raise InvalidAddress(
            "the Kafka URL holds no login: give KEYRELAY_KAFKA_USERNAME and"
            " KEYRELAY_KAFKA_PASSWORD_FILE"
        )
    brokers = tuple(map(_broker, place.split(",")))
    if len(set(brokers)) != len(brokers):
        raise InvalidAddress("a broker stands twice in the Kafka URL")
    return brokers


def _broker(text: str) -> str:
    match = _BROKER.fullmatch(text)
    port = int(match[2] or _PORT) if match is not None else 0
    if match is None or not 0 < port < 65536 or not _is_host(match[1]):
        raise InvalidAddress(f"the brokers of the Kafka URL look like {_LIKE}")
    return f"{match[1].lower()}:{port}"


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return True
    try:
        IPv6Address(text[1:-1])
    except AddressValueError:
        return False
    return True


def _name(value: str, what: str) -> str:
    if _NAME.fullmatch(value) is None or value in (".", ".."):
        raise InvalidAddress(
            f"{what} of the Kafka URL has 1 to 200 letters, digits, '.', '_' and '-'"
        )
    return value


def _profile(value: str | None) -> str | None:
    try:
        return None if value is None else require_label(value, "profile", longest=100)
    except InvalidDefinition as fault:
        sentence = str(fault)
    raise InvalidAddress(f"in the Kafka URL, {sentence}")
