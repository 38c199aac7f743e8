"""Incoming: what is read of a request before any page sees it."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from keyrelay.api.failures import BadRequest
from keyrelay.api.query_string import parse_pairs
from keyrelay.api.route import RequestBody
from keyrelay.console.given import Given

MOST_FIELDS = 1000


def read_query(request: Request) -> Given:
    """Raises InvalidDefinition."""
    return Given(parse_pairs(request.scope["query_string"]))


async def read_form(request: Request) -> Given:
    """Read the fields of a form. Raises BadRequest and BodyTooLarge."""
    sent = await RequestBody(request.stream).read()
    try:
        text = sent.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        pairs = None
    # Outside `except`: the decoder's error holds what was typed.
    if pairs is None:
        raise BadRequest("the form cannot be read: send it from the console's page")
    # A browser ends each line of a text with CR LF (HTML Standard, 4.10.21.4).
    return Given(tuple((name, text.replace("\r\n", "\n")) for name, text in pairs))


def address_of(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


def accepts_gzip(accepted: str) -> bool:
    """Tell whether an answer may be compressed so, by what Accept-Encoding says."""
    for each in accepted.lower().split(","):
        coding, _, weight = each.replace(" ", "").partition(";q=")
        if coding in ("gzip", "*"):
            return not weight or weight.strip("0.") != ""
    return False
