"""Queue URLs: the host and region that an SQS message is sent to.

botocore ignores the host of a `QueueUrl` and sends to the client's region, so a URL of
another region would reach the queue of the same name in the client's.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from keyrelay.model.documents import InvalidDefinition

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")
_HOST = re.compile(r"sqs\.([a-z0-9-]+)\.(amazonaws\.com|amazonaws\.com\.cn)")
_PATH = re.compile(
    r"(?:/queue/([a-z0-9-]+))?/\d{12}/([A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)"
)
_OTHER_REGION = "queue_url is of another region than aws_region"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUrl:
    """A queue's URL and what it says; `endpoint` is the origin for requests."""

    url: str
    endpoint: str
    region: str
    name: str

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")


def parse_queue_url(text: str, region: str, endpoints: Collection[str]) -> QueueUrl:
    """Read a URL of `region` at AWS, or on one of the operator's `endpoints`.

    Raises InvalidDefinition for every other URL.
    """
    path = _PATH.fullmatch(urlsplit(text).path) if _is_plain(text) else None
    if path is None:
        raise InvalidDefinition(
            "queue_url must look like https://sqs.<region>.amazonaws.com/<account>/<name>"
        )
    if path[1] not in (None, region):
        raise InvalidDefinition(_OTHER_REGION)
    return QueueUrl(
        url=text,
        endpoint=_endpoint(text, region, endpoints),
        region=region,
        name=path[2],
    )


def _endpoint(text: str, region: str, endpoints: Collection[str]) -> str:
    parts = urlsplit(text)
    origin = f"{parts.scheme}://{parts.netloc}"
    if origin in endpoints:
        return origin
    host = _HOST.fullmatch(parts.netloc)
    if parts.scheme != "https" or host is None:
        raise InvalidDefinition(
            "queue_url is not at AWS; KEYRELAY_SQS_ENDPOINTS allows other endpoints"
        )
    if host[1] != region:
        raise InvalidDefinition(_OTHER_REGION)
    return origin


def _is_plain(text: str) -> bool:
    """Printable ASCII with neither query, fragment, credentials nor backslash."""
    return (
        text.isascii()
        and text.isprintable()
        and len(text) <= 512
        and not set(text) & set(" ?#@\\%")
        and _splits(text)
    )


def _splits(text: str) -> bool:
    try:
        urlsplit(text)
    except ValueError:  # brackets with no IPv6 address between them
        return False
    return True
