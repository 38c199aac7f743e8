"""Credentials: what an administrator writes as a secret, and what is inside one.

Nothing here quotes a value: messages name fields, and decoders' errors, which
hold their input, are replaced by ours outside of `except`.
"""

import ipaddress
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import assert_never

from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    refuse_unknown,
    require_text,
)
from keyrelay.model.queue_url import REGION, QueueUrl, parse_queue_url
from keyrelay.model.secret import SecretType, SecretValue
from keyrelay.model.tags import Tags, parse_tags

LONGEST_TEXT = 2048
LARGEST_VALUE = 8 * 1024  # bytes

SMTP_FIELDS = frozenset({"smtp_server", "smtp_port", "username", "password"})
SQS_FIELDS = frozenset(
    {"aws_region", "queue_url", "access_key_id", "secret_access_key"}
)
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRules:
    """What the operator allows in secrets."""

    smtp_ports: Collection[int]
    sqs_endpoints: Collection[str]
    tags_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDraft:
    """A secret that was found good and is about to be sealed."""

    key: str
    type: SecretType
    tags: Tags
    value: SecretValue
    fifo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEdit:
    """What an edit replaces; None leaves it as it is."""

    tags: Tags | None
    value: SecretValue | None
    fifo: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmtpCredentials:
    smtp_server: str
    smtp_port: int
    username: str
    password: SecretValue


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SqsCredentials:
    queue_url: QueueUrl
    access_key_id: str
    secret_access_key: SecretValue


def parse_secret(document: Mapping[str, object], rules: SecretRules) -> SecretDraft:
    """Read wire.md's `{key, value, tags?, type?}`, or raise InvalidDefinition."""
    refuse_unknown(document, {"key", "value", "tags", "type"}, "a secret")
    key = require_text(document.get("key"), "key", longest=100)
    if _KEY.fullmatch(key) is None:
        raise InvalidDefinition("key has 1 to 100 letters, digits, '_', '-' and '.'")
    type_ = _type(document.get("type"), document.get("value"))
    value = _value(document.get("value"), type_)
    return SecretDraft(
        key=key,
        type=type_,
        tags=_tags(document.get("tags", []), rules),
        value=value,
        fifo=_check(value, type_, rules),
    )


def parse_secret_edit(
    document: Mapping[str, object], type_: SecretType, rules: SecretRules
) -> SecretEdit:
    """Read wire.md's `{value?, tags?}` for a secret of that type."""
    if "key" in document:
        raise InvalidDefinition("a secret's key never changes; create another secret")
    refuse_unknown(document, {"value", "tags"}, "a secret's edit")
    if not document:
        raise InvalidDefinition("an edit of a secret gives a value, tags or both")
    tags = _tags(document["tags"], rules) if "tags" in document else None
    value = _value(document["value"], type_) if "value" in document else None
    fifo = value is not None and _check(value, type_, rules)
    return SecretEdit(tags=tags, value=value, fifo=fifo)


def smtp_credentials(value: SecretValue, rules: SecretRules) -> SmtpCredentials:
    fields = _fields(value.reveal(), SMTP_FIELDS, SecretType.SMTP)
    port = fields["smtp_port"]
    if not isinstance(port, int) or port not in rules.smtp_ports:
        allowed = ", ".join(str(port) for port in sorted(rules.smtp_ports))
        raise InvalidDefinition(
            f"smtp_port must be {allowed}; KEYRELAY_SMTP_PORTS allows others"
        )
    return SmtpCredentials(
        smtp_server=_host(fields["smtp_server"]),
        smtp_port=port,
        username=_printable(fields["username"], "username"),
        password=SecretValue(_printable(fields["password"], "password")),
    )


def sqs_credentials(value: SecretValue, rules: SecretRules) -> SqsCredentials:
    fields = _fields(value.reveal(), SQS_FIELDS, SecretType.AWS_SQS)
    region = _printable(fields["aws_region"], "aws_region")
    if REGION.fullmatch(region) is None:
        raise InvalidDefinition("aws_region must look like eu-central-1")
    url = _printable(fields["queue_url"], "queue_url")
    return SqsCredentials(
        queue_url=parse_queue_url(url, region, rules.sqs_endpoints),
        access_key_id=_printable(fields["access_key_id"], "access_key_id"),
        secret_access_key=SecretValue(
            _printable(fields["secret_access_key"], "secret_access_key")
        ),
    )


def _check(value: SecretValue, type_: SecretType, rules: SecretRules) -> bool:
    """Refuse what no dispatcher could use; tell whether it is a FIFO queue's."""
    match type_:
        case SecretType.SMTP:
            smtp_credentials(value, rules)
            return False
        case SecretType.AWS_SQS:
            return sqs_credentials(value, rules).queue_url.fifo
        case SecretType.TEXT:
            require_text(value.reveal(), "value", longest=LONGEST_TEXT)
            return False
        case _:
            assert_never(type_)


def _type(given: object, value: object) -> SecretType:
    """Return the type given, or else the one whose fields the value has exactly."""
    if given is not None:
        known = {type_.value: type_ for type_ in SecretType}
        if not isinstance(given, str) or given not in known:
            raise InvalidDefinition(f"type must be one of {', '.join(known)}")
        return known[given]
    fields = value.keys() if isinstance(value, dict) else _names_in(value)
    if fields == SMTP_FIELDS:
        return SecretType.SMTP
    return SecretType.AWS_SQS if fields == SQS_FIELDS else SecretType.TEXT


def _names_in(value: object) -> Collection[str]:
    try:
        return parse_document(value).keys() if isinstance(value, str) else ()
    except InvalidDefinition:
        return ()


def _value(value: object, type_: SecretType) -> SecretValue:
    if isinstance(value, dict) and type_ is not SecretType.TEXT:
        value = json.dumps(value)
    if not isinstance(value, str):
        raise InvalidDefinition("value must be a string")
    if not _is_storable(value):
        raise InvalidDefinition(f"value must be text of at most {LARGEST_VALUE} bytes")
    return SecretValue(value)


def _is_storable(text: str) -> bool:
    try:
        return len(text.encode()) <= LARGEST_VALUE
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _tags(value: object, rules: SecretRules) -> Tags:
    tags = parse_tags(value)
    if rules.tags_required and not tags:
        raise InvalidDefinition("a secret needs at least one tag")
    return tags


def _fields(
    text: str, names: frozenset[str], type_: SecretType
) -> Mapping[str, object]:
    fields = parse_document(text)
    missing = sorted(names - fields.keys())
    if missing:
        raise InvalidDefinition(f"a secret of type {type_} needs {', '.join(missing)}")
    # Unlike elsewhere the name is not quoted: inside a value all may be secret.
    if fields.keys() - names:
        raise InvalidDefinition(
            f"a secret of type {type_} has only {', '.join(sorted(names))}"
        )
    return fields


def _printable(value: object, what: str) -> str:
    text = require_text(value, what, longest=1024)
    # A control character here ends a line of SMTP or of HTTP early.
    if not text.isprintable():
        raise InvalidDefinition(f"{what} must not hold control characters")
    return text


def _host(value: object) -> str:
    """Return a host name or IP address that no resolver reads as something else."""
    host = _printable(value, "smtp_server")
    labels = host.removesuffix(".").split(".")
    named = all(map(_HOST_LABEL.fullmatch, labels)) and len(host) <= 253
    # 127.1, 0x7f.1 and 2130706433 are loopback to a resolver and names to us.
    numeric = re.fullmatch(r"\d+|0[xX][0-9a-fA-F]*", labels[-1]) is not None
    if (named and not numeric) or _is_address(host):
        return host
    raise InvalidDefinition("smtp_server must be a host name like mail.example.com")


def _is_address(host: str) -> bool:
    try:
        return str(ipaddress.ip_address(host)) == host.lower()
    except ValueError:
        return False
