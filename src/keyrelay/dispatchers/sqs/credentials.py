"""SQS credentials: what is inside a secret that puts messages on a queue."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from keyrelay.dispatchers.sqs.queue_url import (
    QueueUrl,
    parse_queue_url,
    require_region,
)
from keyrelay.model.credentials import read_fields, require_printable
from keyrelay.model.documents import InvalidDefinition, require_text
from keyrelay.model.fields import Field
from keyrelay.model.secret import SecretType, SecretValue

NAME = "aws-sqs"
FIELDS = (
    Field(name="aws_region", description="The queue's region, like eu-central-1."),
    Field(name="queue_url", description="The queue's URL, as AWS shows it."),
    Field(name="access_key_id", description="The id of an access key that may send."),
    Field(name="secret_access_key", description="The access key itself.", hidden=True),
    Field(
        name="session_token",
        description="What a temporary key (ASIA…) is used with; other keys have none.",
        required=False,
        hidden=True,
    ),
)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
_TEMPORARY = "ASIA"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SqsCredentials:
    """A parsed value of type `aws-sqs`."""

    queue_url: QueueUrl
    access_key_id: str
    secret_access_key: SecretValue
    session_token: SecretValue | None = None


def sqs_secret(endpoints: Collection[str]) -> SecretType:
    """Return the secret type `aws-sqs`; the operator allows AWS and these endpoints."""
    return SecretType(
        name=NAME,
        fields=FIELDS,
        check=partial(_is_fifo, endpoints),
        check_some=partial(_check_some, endpoints),
    )


def sqs_credentials(value: SecretValue, endpoints: Collection[str]) -> SqsCredentials:
    """Read a value of type `aws-sqs`.

    Raises InvalidDefinition, whose message quotes nothing of the value.
    """
    fields = read_fields(value, FIELDS, NAME)
    queue_url = _queue_url(fields, endpoints)
    key_id = require_printable(fields["access_key_id"], "access_key_id")
    token = fields.get("session_token")
    if key_id.startswith(_TEMPORARY) and token is None:
        raise InvalidDefinition(
            "access_key_id is of a temporary key, which needs its session_token;"
            " keys of users begin with AKIA and last"
        )
    return SqsCredentials(
        queue_url=queue_url,
        access_key_id=key_id,
        secret_access_key=SecretValue(
            require_printable(fields["secret_access_key"], "secret_access_key")
        ),
        session_token=None if token is None else SecretValue(_session_token(token)),
    )


def _queue_url(members: Mapping[str, object], endpoints: Collection[str]) -> QueueUrl:
    region = require_region(require_printable(members["aws_region"], "aws_region"))
    url = require_printable(members["queue_url"], "queue_url")
    return parse_queue_url(url, region, endpoints)


def _check_some(endpoints: Collection[str], members: Mapping[str, object]) -> None:
    if "aws_region" in members:
        require_region(require_printable(members["aws_region"], "aws_region"))
    if "queue_url" in members:
        _queue_url(members, endpoints)


def _session_token(value: object) -> str:
    text = require_text(value, "session_token", longest=4096)
    # It becomes an HTTP header.
    if not (text.isascii() and text.isprintable()):
        raise InvalidDefinition("session_token must be printable ASCII")
    return text


def _is_fifo(endpoints: Collection[str], value: SecretValue) -> bool:
    return sqs_credentials(value, endpoints).queue_url.fifo
