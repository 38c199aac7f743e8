"""Application: from a request to a page, with all that stands before every page."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Path
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from keyrelay.api.authorization import Authorization
from keyrelay.api.failures import FORESEEN, sentence_of, status_of
from keyrelay.api.route import Route
from keyrelay.app.api import ApiProcess
from keyrelay.console.answering import (
    HEADERS,
    ROOT,
    asked_to_sign_in,
    kept,
    moved,
    page,
)
from keyrelay.console.files import FOR_GOOD, console_files
from keyrelay.console.frame import frame_facts
from keyrelay.console.incoming import accepts_gzip
from keyrelay.console.origins import Origins
from keyrelay.console.own_api import by_path
from keyrelay.console.signing_in import SigningIn, with_session
from keyrelay.console.themes import choose_theme, theme_of
from keyrelay.console.visit import (
    Answered,
    KeptFile,
    Moved,
    PageRoute,
    ScriptRoute,
    Shown,
    Visit,
)
from keyrelay.console.visiting import Console, require_form_token, visit_of

Endpoint = Callable[[Request], Awaitable[ASGIApp]]

_NOBODY = "Nobody is signed in: the session has ended."


def console_application(
    process: ApiProcess,
    authorization: Authorization,
    routes: Sequence[Route],
    pages: Sequence[PageRoute | ScriptRoute],
) -> ASGIApp:
    """Return the application that answers all paths below `/console`."""
    sessions = process.new_sessions(authorization.authenticating)
    signing_in = SigningIn(authorization=authorization, sessions=sessions)
    console = Console(
        process=process,
        routes=by_path(routes),
        signing_in=signing_in,
        origins=Origins(process.url),
    )
    console_files()  # read before anyone waits for them
    return Router([*_paths(console, pages), *_rest(console)], redirect_slashes=False)


def _paths(
    console: Console, pages: Sequence[PageRoute | ScriptRoute]
) -> Iterator[Path]:
    signing_in = console.signing_in
    answered: list[tuple[str, str, Endpoint]] = [
        ("GET", "/static/{digest}/{name:path}", _file),
        ("GET", "/sign-in", signing_in.show),
        ("POST", "/sign-in", signing_in.sign_in),
        ("POST", "/theme", choose_theme),
        *(_method_of(each, console) for each in pages),
    ]
    for method, path, endpoint in answered:
        yield Path(ROOT + path, _guarded(console, endpoint), methods=[method])


def _rest(console: Console) -> Iterator[Path]:
    """Yield what answers every path and method that no page has."""
    missing = PageRoute(method="GET", path="/{path:path}", answer=_miss)
    rest = AnyMethod(_guarded(console, _endpoint(missing, console)))
    yield Path(ROOT, _guarded(console, _begin))
    yield Path(ROOT + missing.path, rest)
    yield Path(ROOT, rest)


@dataclass(frozen=True, slots=True)
class AnyMethod:
    """An application that routes take for one of all methods; functions are not."""

    endpoint: Endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self.endpoint(Request(scope, receive, send))
        await answer(scope, receive, send)


async def _miss(_: Visit) -> Shown:
    facts = {"sentence": "The console has no such page."}
    return Shown(template="failure.html", facts=facts, status=404)


def _method_of(
    route: PageRoute | ScriptRoute, console: Console
) -> tuple[str, str, Endpoint]:
    match route:
        case PageRoute(method=method, path=path):
            return method, path, _endpoint(route, console)
        case ScriptRoute(path=path):
            return "GET", path, _script_endpoint(route, console)
        case _:
            assert_never(route)


def _guarded(console: Console, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint behind the checks that need no session."""

    async def guarded(request: Request) -> ASGIApp:
        response = _refused(console, request) or await _answered(endpoint, request)
        if isinstance(response, Response):  # no stream has use for them
            response.headers.update(HEADERS)
        return response

    return guarded


def _refused(console: Console, request: Request) -> Response | None:
    """Return the answer to what comes from elsewhere, or by a foreign name."""
    host, scheme = request.headers.get("host", ""), request.url.scheme
    if not console.origins.is_host(host, scheme):
        return _plain(421, f"The console is reached at {console.process.url}/")
    is_own = console.origins.is_own(request.headers, host, scheme)
    if request.method != "GET" and not is_own:
        return _plain(403, "This form was not sent from a page of the console.")
    return None


async def _answered(endpoint: Endpoint, request: Request) -> ASGIApp:
    try:
        return await endpoint(request)
    except FORESEEN as failure:  # before anyone is known
        facts = {"sentence": sentence_of(failure), "theme": theme_of(request)}
        return page("closed.html", facts, status_of(failure))
    except ClientDisconnect:
        return _plain(400, "The request was cut short.")


def _endpoint(page_: PageRoute, console: Console) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        signed_in = await console.signing_in.resume(request)
        if signed_in is None:
            return asked_to_sign_in(_address(request))
        visit = await visit_of(console, signed_in, request)
        try:
            await require_form_token(visit, request)
            answer = await page_.answer(visit)
        except FORESEEN as failure:
            facts = {"sentence": sentence_of(failure)}
            answer = Shown(
                template="failure.html", facts=facts, status=status_of(failure)
            )
        return await _response(answer, visit, request)

    return endpoint


async def _response(answer: Answered, visit: Visit, request: Request) -> Response:
    match answer:
        case Moved(path=path, said=said, cookie=cookie):
            way = moved(path, said)
            return way if cookie is None else with_session(way, cookie, request)
        case KeptFile(name=name, chunks=chunks):
            return kept(name, chunks)
        case Shown(template=template, facts=facts, status=status):
            return page(template, {**await _frame(visit, request), **facts}, status)
        case _:
            assert_never(answer)


def _script_endpoint(route: ScriptRoute, console: Console) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        signed_in = await console.signing_in.resume(request)
        if signed_in is None:
            return _plain(401, _NOBODY)
        try:
            return await route.answer(await visit_of(console, signed_in, request))
        except FORESEEN as failure:
            return _plain(status_of(failure), sentence_of(failure))

    return endpoint


async def _frame(visit: Visit, request: Request) -> Mapping[str, object]:
    sessions, session = visit.signing_in.sessions, visit.signed_in.session
    form_token = await sessions.form_token(session)
    around = await frame_facts(
        visit.api,
        visit.query,
        request.url.path.removeprefix(ROOT),
        form_token,
        is_operator=visit.signed_in.operator is not None,
    )
    return {**around, "theme": theme_of(request)}


def _address(request: Request) -> str:
    """Return the path and query below the console; of a form, none to return to."""
    if request.method != "GET":
        return "/"
    path, query = request.url.path.removeprefix(ROOT), request.url.query
    return f"{path}?{query}" if query else path


async def _file(request: Request) -> Response:
    found = console_files().get(**request.path_params)
    if found is None:
        return _plain(404, "There is no such file.")
    headers = {"Cache-Control": FOR_GOOD, "Vary": "Accept-Encoding"}
    content = found.content
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        content, headers["Content-Encoding"] = found.compressed, "gzip"
    return Response(content, headers=headers, media_type=found.media_type)


async def _begin(_: Request) -> Response:
    return moved("/")


def _plain(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status)
