"""SQS credentials: what is inside a secret that puts messages on a queue."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from keyrelay.dispatchers.sqs.queue_url import REGION, QueueUrl, parse_queue_url
from keyrelay.model.credentials import read_fields, require_printable
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.fields import Field
from keyrelay.model.secret import SecretType, SecretValue

NAME = "aws-sqs"
FIELDS = (
    Field(name="aws_region", description="The queue's region, like eu-central-1."),
    Field(name="queue_url", description="The queue's URL, as AWS shows it."),
    Field(name="access_key_id", description="The id of an access key that may send."),
    Field(name="secret_access_key", description="The access key itself.", hidden=True),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SqsCredentials:
    """A parsed value of type `aws-sqs`."""

    queue_url: QueueUrl
    access_key_id: str
    secret_access_key: SecretValue


def sqs_secret(endpoints: Collection[str]) -> SecretType:
    """Return the secret type `aws-sqs`; the operator allows AWS and these endpoints."""
    return SecretType(name=NAME, fields=FIELDS, check=partial(_is_fifo, endpoints))


def sqs_credentials(value: SecretValue, endpoints: Collection[str]) -> SqsCredentials:
    """Read a value of type `aws-sqs`.

    Raises InvalidDefinition, whose message quotes nothing of the value.
    """
    fields = read_fields(value, FIELDS, NAME)
    region = require_printable(fields["aws_region"], "aws_region")
    if REGION.fullmatch(region) is None:
        raise InvalidDefinition("aws_region must look like eu-central-1")
    url = require_printable(fields["queue_url"], "queue_url")
    return SqsCredentials(
        queue_url=parse_queue_url(url, region, endpoints),
        access_key_id=require_printable(fields["access_key_id"], "access_key_id"),
        secret_access_key=SecretValue(
            require_printable(fields["secret_access_key"], "secret_access_key")
        ),
    )


def _is_fifo(endpoints: Collection[str], value: SecretValue) -> bool:
    return sqs_credentials(value, endpoints).queue_url.fifo
