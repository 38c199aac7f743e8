"""A canary: no answer, header, log line or file of the API's shows a secret's value."""

import asyncio
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import httpx
import pytest
import structlog

from keyrelay.api.rights import has
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.api.routes import ROUTES
from keyrelay.observability.logs import configure_logs
from tests.e2e.api.canary import CANARY, MAIL, MALFORMED, QUEUE, Way, shown, ways
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import analysis_token, furnish, noun_of, secret_of
from tests.e2e.api.in_process import answering_here
from tests.e2e.cli.command import contents
from tests.installed.api import answering
from tests.installed.home import Home
from tests.rights import KINDS

NOUNS = [*dict.fromkeys(map(noun_of, ROUTES))]
OPEN = ("/healthz", "/readyz", "/openapi.json", "/reference", "/nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """A home whose secrets have the canary in their values."""

    home: Home
    ids: Mapping[str, str]
    tokens: Mapping[str, str]

    def token_for(self, route: Route) -> str:
        return next(
            token
            for kind, token in self.tokens.items()
            if has(KINDS[kind], route.right)
        )


@pytest.fixture(scope="module")
def furnished(shared: Founded) -> Furnished:
    own = shared
    with answering(own.home) as running:
        api = running.with_token(own.token)
        ids = furnish(own.home, api, MAIL)
        for key, value in (("queue", QUEUE), ("text", CANARY)):
            assert api.ask("POST", "/secrets", secret_of(value, key)).status == 200
    assert shown("\n".join(running.command.said).encode()) is None
    operator = own.home.run("token", "create", "operator", "--operator").strip()
    tokens = {
        "full": own.token,
        "operator": operator,
        "analysis": analysis_token(own.home),
    }
    return Furnished(home=own.home, ids=ids, tokens=tokens)


@pytest.fixture
def lines(log_format: str) -> Iterator[io.StringIO]:
    """Yield where all log lines of this process are written, from DEBUG up."""
    root, ours, stream = (
        logging.getLogger(),
        logging.getLogger("keyrelay"),
        io.StringIO(),
    )
    before = root.handlers[:], root.level, ours.level
    configure_logs(log_format, stream, logging.DEBUG)
    yield stream
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.reset_defaults()


# As text, lines are made of the same parts.
@pytest.mark.parametrize(
    ("noun", "log_format"),
    [*((noun, "json") for noun in NOUNS), ("secrets", "text"), ("triggers", "text")],
)
async def test_no_route_of_a_noun_shows_a_value(
    furnished: Furnished, lines: io.StringIO, noun: str
) -> None:
    async with answering_here(furnished.home) as client:
        for route in (each for each in ROUTES if noun_of(each) == noun):
            token = furnished.token_for(route)
            for way in ways(route, furnished.ids):
                status, said = await _answer(client, way, token)
                assert shown(said) is None, (way, said)
                assert status < 500, (way, said)

    assert shown(lines.getvalue().encode()) is None
    assert not [
        name for name, raw in contents(furnished.home.path).items() if shown(raw)
    ]


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_nothing_else_that_the_api_says_shows_a_value(
    furnished: Furnished, lines: io.StringIO
) -> None:
    async with answering_here(furnished.home) as client:
        for path in OPEN:
            _, said = await _answer(client, Way(method="GET", path=path), None)
            assert shown(said) is None, path
        for raw in MALFORMED:
            said = await _told(client, raw)
            assert said.startswith(b"HTTP/1.1 4"), (raw, said)
            assert shown(said) is None, (raw, said)

    assert shown(lines.getvalue().encode()) is None


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_a_mistake_of_ours_says_where_it_happened_and_nothing_else(
    founded: Founded, lines: io.StringIO
) -> None:
    async def mistaken(asked: Asked) -> Answer:
        raise RuntimeError(await asked.body.read())

    route = replace(ROUTES[0], method="POST", answer=mistaken)
    way = Way(method="POST", path=route.path, content=CANARY.encode())
    async with answering_here(founded.home, [route]) as client:
        status, said = await _answer(client, way, founded.token)

    assert status == 500
    assert b"its log says where it happened" in said
    assert b"nosniff" in said
    assert "mistaken" in lines.getvalue()
    assert shown(said + lines.getvalue().encode()) is None


@pytest.mark.parametrize("form", [CANARY, CANARY[3:11], CANARY.encode().hex()])
def test_the_canary_is_seen_where_it_is(form: str) -> None:
    assert shown(f"before {form} after".encode()) is not None


async def _answer(
    client: httpx.AsyncClient, way: Way, token: str | None
) -> tuple[int, bytes]:
    """Return the status, and all of an answer that has an end; of others, the head."""
    url = f"{way.path}?{way.query}" if way.query else way.path
    headers = [(name.encode(), value) for name, value in way.headers]
    if token is not None and "token" not in dict(way.headers):
        headers.append((b"token", token.encode()))
    asked = client.stream(way.method, url, headers=headers, content=way.content)
    async with asked as answer:
        said = repr(answer.headers.raw).encode()
        if "event-stream" not in answer.headers.get("content-type", ""):
            said += await answer.aread()
        return answer.status_code, said


async def _told(client: httpx.AsyncClient, raw: bytes) -> bytes:
    """Return all that is answered to these bytes."""
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(raw)
    if writer.can_write_eof():
        writer.write_eof()
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said
