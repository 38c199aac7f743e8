"""Canary: a value that must never be shown, and the ways in which it is sent."""

import base64
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

from keyrelay.api.route import Route
from tests.e2e.api.furnished import SMTP, UNKNOWN, body_of, noun_of, secret_of

CANARY: Final = 'cAnary+7f/Zq "x9\\ü~K3w%41'
BYTES: Final = CANARY.encode()
MAIL: Final = {**SMTP, "username": CANARY, "password": CANARY}
QUEUE: Final = {
    "aws_region": "eu-west-1",
    "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/alarms",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/cAnary7fZqx9K3w",
}
JSON: Final = ("content-type", b"application/json")
Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A request with the canary in it."""

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    content: bytes | None = None


def shown(raw: bytes) -> bytes | None:
    """Return what is there of a canary: in clear, encoded, or a piece of it."""
    found = _PIECES.search(raw)
    return None if found is None else found[0]


def _pieces() -> Iterator[bytes]:
    for value in (CANARY, QUEUE["secret_access_key"]):
        # As it is, in JSON, in Python's own words, in URLs.
        clear = {
            value.encode(),
            value.encode("latin-1"),
            json.dumps(value)[1:-1].encode(),
            json.dumps(value, ensure_ascii=False)[1:-1].encode(),
            repr(value)[1:-1].encode(),
            repr(value.encode())[2:-1].encode(),
            quote(value, safe="").encode(),
            quote(value).encode(),
            quote_plus(value).encode(),
        }
        for each in clear:
            yield from (each[n : n + 8] for n in range(len(each) - 7))
        for encoded in (base64.b64encode, base64.urlsafe_b64encode, _hexadecimal):
            # At each of the places that it may have in a longer text.
            for n in range(3):
                each = encoded(value.encode()[n:])[:-4]
                yield from (each[m : m + 12] for m in range(len(each) - 11))


def _hexadecimal(raw: bytes) -> bytes:
    return raw.hex().encode()


_PIECES = re.compile(b"|".join(re.escape(each) for each in sorted({*_pieces()})))


def ways(route: Route, ids: Mapping[str, str]) -> Iterator[Way]:
    """Yield a good request of a route, and many with the canary somewhere in them."""
    path = _path_of(route, ids)
    good = body_of(route, ids)
    content = None if good is None else json.dumps(good).encode()
    yield Way(method=route.method, path=path, headers=[JSON], content=content)
    for query in _queries(route):
        yield Way(method=route.method, path=path, query=query)
    for headers in _headers():
        yield Way(method=route.method, path=path, headers=headers, content=content)
    if "{" in route.path:
        for piece in (quote(CANARY, safe=""), quote(CANARY * 99, safe=""), "%FF%00"):
            yield Way(method=route.method, path=re.sub("{.*?}", piece, route.path))
    wrong = (json.dumps(each).encode() for each in _wrong(good))
    # Where no body is taken, none is read.
    bodies = (*_raw_bodies(good), *wrong) if good is not None else (BYTES,)
    for body in bodies:
        yield Way(method=route.method, path=path, headers=[JSON], content=body)
    if noun_of(route) == "secrets" and good is not None:
        yield from _values(route.method, path)


def _path_of(route: Route, ids: Mapping[str, str]) -> str:
    """Return its path, with an id that there is."""
    id_ = ids.get(noun_of(route), UNKNOWN)
    return re.sub("{.*?}", "secrets", route.path.replace("{id}", id_))


def _queries(route: Route) -> Iterator[str]:
    parameters = route.described.get("parameters", [])
    assert isinstance(parameters, list)
    named = [str(each["name"]) for each in parameters if each["in"] == "query"]
    value = quote(CANARY, safe="")
    for name in (*named, "unheard", "token", "filter[tags][0][key]", "fields[0]"):
        yield f"{quote(name)}={value}"
    yield from (value, f"{value}={value}", f"{value}=%ZZ", f"{value}%FF", value * 400)
    yield f"filter[{value}]={value}"


def _headers() -> Iterator[Headers]:
    for name in ("if-match", "idempotency-key", "accept", "origin", "cookie", "ce_id"):
        yield [(name, BYTES)]
    yield [("content-type", BYTES)]
    yield [("content-type", b"text/plain; charset=" + BYTES)]
    yield [("content-encoding", BYTES)]
    yield [("authorization", b"Bearer " + BYTES)]
    yield [("x-forwarded-for", BYTES)]
    yield [("token", BYTES)]
    yield [("token", b"p-" + BYTES)]


def _raw_bodies(good: object) -> Iterator[bytes]:
    """Yield bodies that no route takes, of any type."""
    text = json.dumps(CANARY).encode()
    document = b'{"value": ' + text + b', "key": ' + text
    yield from (BYTES, text, document, b"[" + text + b"]", document + b"}}")
    yield document + b', "value": 1}'
    yield document[:-1] + b'\\ud800"}'
    yield document + b', "colour": NaN}'
    yield document + b', "colour": 1e999}'
    yield document + b', "colour": "\xff\xfe"}'
    yield document + b', "colour": "\x00"}'
    yield b"\xef\xbb\xbf" + document + b"}"
    yield (document + b"}").decode().encode("utf-16")
    yield b"[" * 2000 + text
    yield document + b', "colour": ' + b"[" * 40 + b"]" * 40 + b"}"
    yield document + b', "colour": "' + b"x" * (1 << 20) + b'"}'
    yield json.dumps({**_object(good), CANARY: CANARY}).encode()
    yield gzip.compress(document + b"}")
    yield b'--b\r\ncontent-disposition: form-data; name="value"\r\n\r\n' + BYTES


def _object(good: object) -> Mapping[str, object]:
    return good if isinstance(good, Mapping) else {}


def _wrong(good: object) -> Iterator[object]:
    """Yield the body with each of its values replaced by one of a wrong type."""
    match good:
        case Mapping():
            for name, value in good.items():
                yield from ({**good, name: wrong} for wrong in _wrong(value))
        case list():
            for n, value in enumerate(good):
                yield from (
                    [*good[:n], wrong, *good[n + 1 :]] for wrong in _wrong(value)
                )
        case None:
            pass
        case _:
            yield from ([CANARY], {"value": CANARY}, {CANARY: 1}, CANARY + "\ud800")


def _values(method: str, path: str) -> Iterator[Way]:
    """Yield secrets whose value has the canary in it, in good forms and in bad ones."""
    forms: list[object] = [CANARY, CANARY * 200, [CANARY], {CANARY: CANARY}, 7]
    for fields in (MAIL, QUEUE):
        forms += [fields, json.dumps(fields), json.dumps(fields)[:-1]]
        forms += [{**fields, name: CANARY} for name in fields]
        forms += [{**fields, name: f"{CANARY}\r\n"} for name in fields]
        forms += [{**fields, name: [CANARY]} for name in fields]
        forms += [{**fields, CANARY: 1}, dict(list(fields.items())[1:])]
    for n, value in enumerate(forms):
        named = secret_of(value, f"canary-{n}")
        for more in ({}, {"type": ("smtp", "aws-sqs", "text")[n % 3]}):
            if method == "PUT":
                named = {"value": value}
            yield Way(
                method=method,
                path=path,
                headers=[JSON],
                content=json.dumps({**named, **more}).encode(),
            )


# What no client library sends; read by the border and the parser.
MALFORMED: Final = tuple(
    line.replace(b"CANARY", BYTES)
    for line in (
        b"GET /CANARY HTTP/9.9\r\n\r\n",
        b"CANARY /secrets HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://CANARY/ HTTP/1.1\r\nhost: CANARY\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nhost: x\r\nCANARY\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nhost: x\r\nCANARY: CANARY\r\n\r\n",
        b"GET /secrets?CANARY HTTP/1.1\r\nhost: x\r\ntoken: CANARY\r\n\r\n",
        b"POST /secrets HTTP/1.1\r\nhost: x\r\ncontent-length: CANARY\r\n\r\n",
        b"POST /secrets HTTP/1.1\r\nhost: x\r\ntransfer-encoding: CANARY\r\n\r\n",
        b"PUT /am/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nCANARY",
        b"POST /secrets HTTP/1.1\r\nhost: x\r\nexpect: CANARY\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nhost: x\r\nupgrade: CANARY\r\n"
        b"connection: upgrade\r\n\r\n",
        b"\x16\x03\x01CANARY\r\n\r\n",
    )
)
