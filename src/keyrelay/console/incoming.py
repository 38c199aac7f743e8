"""Incoming: what is read of a request before any page sees it."""

from collections.abc import AsyncGenerator
from urllib.parse import parse_qsl

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from keyrelay.api.border.limits import LARGEST_UPLOAD, longest_body
from keyrelay.api.failures import BadRequest
from keyrelay.api.query_string import parse_pairs
from keyrelay.api.route import LARGEST_BODY, RequestBody
from keyrelay.console.given import Given, GivenFile

MOST_FIELDS, MOST_FILES = 1000, 1


class _InMemory(MultiPartParser):
    """What was sent is bounded: no part of it needs a file of its own."""

    spool_max_size = LARGEST_UPLOAD


def read_query(request: Request) -> Given:
    """Raises InvalidDefinition."""
    return Given(parse_pairs(request.scope["query_string"]))


async def read_form(request: Request) -> Given:
    """Read the fields and files of a form. Raises BadRequest and BodyTooLarge."""
    longest = longest_body(request.url.path) or LARGEST_BODY
    sent = await RequestBody(request.stream).read(longest)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        given = await _with_files(request, sent)
    else:
        given = _fields(sent)
    # Outside `except`: the decoder's error holds what was typed.
    if given is None:
        raise BadRequest("the form cannot be read: send it from the console's page")
    return given


def _fields(sent: bytes) -> Given | None:
    try:
        text = sent.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        return None
    return Given(tuple((name, _as_typed(text)) for name, text in pairs))


async def _with_files(request: Request, sent: bytes) -> Given | None:
    """Read a form that files are sent with (RFC 7578)."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield sent
        yield b""

    parser = _InMemory(
        request.headers, chunks(), max_files=MOST_FILES, max_fields=MOST_FIELDS
    )
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError):
        return None
    pairs, files = [], {}
    for name, each in form.multi_items():
        if isinstance(each, str):
            pairs.append((name, _as_typed(each)))
        elif each.filename:  # empty, where no file was chosen
            base = each.filename.replace("\\", "/").rsplit("/", 1)[-1]
            files[name] = GivenFile(base, await each.read())
    return Given(tuple(pairs), files)


def _as_typed(text: str) -> str:
    # A browser ends each line of a text with CR LF (HTML Standard, 4.10.21.4).
    return text.replace("\r\n", "\n")


def address_of(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


def accepts_gzip(accepted: str) -> bool:
    """Tell whether an answer may be compressed so, by what Accept-Encoding says."""
    for each in accepted.lower().split(","):
        coding, _, weight = each.replace(" ", "").partition(";q=")
        if coding in ("gzip", "*"):
            return not weight or weight.strip("0.") != ""
    return False
