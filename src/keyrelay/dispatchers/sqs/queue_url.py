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

# By partition: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
# A partition's second domain answers on IPv6 too ("dual-stack").
_DOMAINS = (
    "amazonaws.com|api.aws",  # the world, and GovCloud (US)
    "amazonaws.com.cn|api.amazonwebservices.com.cn",  # China
    "amazonaws.eu|api.amazonwebservices.eu",  # European Sovereign Cloud
    "c2s.ic.gov|api.aws.ic.gov",  # ISO
    "sc2s.sgov.gov|api.aws.scloud",  # ISOB
    "cloud.adc-e.uk|api.cloud-aws.adc-e.uk",  # ISOE
    "csp.hci.ic.gov|api.aws.hci.ic.gov",  # ISOF
)
_DOMAIN = "|".join(_DOMAINS).replace(".", r"\.")
# Regions yet to come fit as well. No bucket does: sqs.s3.amazonaws.com is one of S3.
_REGION = r"([a-z]{2,8}(?:-[a-z]+)+-[0-9]{1,2})"
_HOSTS = tuple(
    re.compile(rf"{form}\.(?:{_DOMAIN})")
    for form in (
        rf"sqs(?:-fips)?\.{_REGION}",
        rf"vpce-[0-9a-z-]{{1,59}}\.sqs(?:-fips)?\.{_REGION}\.vpce",
        rf"{_REGION}\.queue",  # what AWS named queues by until 2023
    )
)
_FIRST_HOST, _FIRST_REGION = "queue.amazonaws.com", "us-east-1"  # likewise
_ANY_REGION = re.compile(r"(?=.{1,63}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME = r"([A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)"
_PATH = re.compile(rf"/[0-9]{{12}}/{_NAME}")
# On the operator's endpoints: other servers have other accounts, or none.
_ANY_PATH = re.compile(rf"(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*/{_NAME}")
_REGION_IN_PATH = re.compile(r"/queue/([a-z0-9-]+)/[0-9]{12}/")
_FORM = "queue_url must look like https://sqs.<region>.amazonaws.com/<account>/<name>"
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


def require_region(text: str) -> str:
    """Return a region's name, of AWS or of another server.

    Raises InvalidDefinition.
    """
    if _ANY_REGION.fullmatch(text) is None:
        raise InvalidDefinition("aws_region must look like eu-central-1")
    return text


def parse_queue_url(text: str, region: str, endpoints: Collection[str]) -> QueueUrl:
    """Read a URL of `region` at AWS, or on one of the operator's `endpoints`.

    Raises InvalidDefinition for every other URL.
    """
    if not _is_plain(text):
        raise InvalidDefinition(_FORM)
    if text.endswith("/"):
        raise InvalidDefinition("queue_url must end with the queue's name, not with /")
    parts = urlsplit(text)
    origin = f"{parts.scheme}://{parts.netloc}"
    trusted = origin in endpoints
    path = (_ANY_PATH if trusted else _PATH).fullmatch(parts.path)
    if path is None:
        raise InvalidDefinition(_FORM)
    named = _REGION_IN_PATH.match(parts.path)
    named_region = (named and named[1]) if trusted else _region_at_aws(origin)
    if named_region not in (None, region):
        raise InvalidDefinition(_OTHER_REGION)
    return QueueUrl(url=text, endpoint=origin, region=region, name=path[1])


def _region_at_aws(origin: str) -> str:
    """Return the region that the host of an origin belongs to."""
    scheme, _, host = origin.partition("://")
    matches = (form.fullmatch(host) for form in _HOSTS)
    region = next((match[1] for match in matches if match), None)
    if host == _FIRST_HOST:
        region = _FIRST_REGION
    if region is None:
        raise InvalidDefinition(
            "queue_url is not at AWS; KEYRELAY_SQS_ENDPOINTS allows other endpoints"
        )
    if scheme != "https":
        raise InvalidDefinition("queue_url must begin with https://")
    return region


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
