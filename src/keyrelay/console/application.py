"""Application: from a request to a page, with all that stands before every page."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Path
from starlette.routing import Router, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from keyrelay.api.authorization import Authorization
from keyrelay.api.failures import FORESEEN, Denied, sentence_of, status_of
from keyrelay.api.route import Bearer, Route
from keyrelay.app.api import ApiProcess
from keyrelay.console.answering import (
    HEADERS,
    ROOT,
    asked_to_sign_in,
    moved,
    page,
)
from keyrelay.console.files import FOR_GOOD, console_files
from keyrelay.console.frame import frame_facts
from keyrelay.console.given import Given
from keyrelay.console.incoming import accepts_gzip, address_of, read_form, read_query
from keyrelay.console.origins import Origins
from keyrelay.console.own_api import OwnApi, Routes, by_path
from keyrelay.console.signing_in import SigningIn, with_session
from keyrelay.console.themes import choose_theme, theme_of
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.services.sessions import SignedIn

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What all pages need; `routes` are the API's."""

    process: ApiProcess
    routes: Routes
    signing_in: SigningIn
    origins: Origins


def console_application(
    process: ApiProcess,
    authorization: Authorization,
    routes: Sequence[Route],
    pages: Sequence[PageRoute],
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


def _paths(console: Console, pages: Sequence[PageRoute]) -> Iterator[Path]:
    signing_in = console.signing_in
    answered: list[tuple[str, str, Endpoint]] = [
        ("GET", "/static/{digest}/{name:path}", _file),
        ("GET", "/sign-in", signing_in.show),
        ("POST", "/sign-in", signing_in.sign_in),
        ("POST", "/theme", choose_theme),
        *((page.method, page.path, _endpoint(page, console)) for page in pages),
    ]
    for method, path, endpoint in answered:
        yield Path(ROOT + path, _guarded(console, endpoint), methods=[method])


def _rest(console: Console) -> Iterator[Path]:
    """Yield what answers every path and method that no page has."""
    missing = PageRoute(method="GET", path="/{path:path}", answer=_miss)
    rest = AnyMethod(request_response(_guarded(console, _endpoint(missing, console))))
    yield Path(ROOT, _guarded(console, _begin))
    yield Path(ROOT + missing.path, rest)
    yield Path(ROOT, rest)


@dataclass(frozen=True, slots=True)
class AnyMethod:
    """An application that routes take for one of all methods; functions are not."""

    application: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application(scope, receive, send)


async def _miss(_: Visit) -> Shown:
    facts = {"sentence": "The console has no such page."}
    return Shown(template="failure.html", facts=facts, status=404)


def _guarded(console: Console, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint behind the checks that need no session."""

    async def guarded(request: Request) -> Response:
        response = _refused(console, request)
        if response is None:
            response = await _answered(endpoint, request)
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


async def _answered(endpoint: Endpoint, request: Request) -> Response:
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
        visit = await _visit(console, signed_in, request)
        try:
            await _require_form_token(visit, request)
            answer = await page_.answer(visit)
        except FORESEEN as failure:
            facts = {"sentence": sentence_of(failure)}
            answer = Shown(
                template="failure.html", facts=facts, status=status_of(failure)
            )
        if isinstance(answer, Moved):
            response = moved(answer.path, answer.said)
            cookie = answer.cookie
            return (
                response if cookie is None else with_session(response, cookie, request)
            )
        return page(
            answer.template,
            {**await _frame(visit, request), **answer.facts},
            answer.status,
        )

    return endpoint


async def _visit(console: Console, signed_in: SignedIn, request: Request) -> Visit:
    """Raises BadRequest, BodyTooLarge and InvalidDefinition."""
    caller = Bearer(
        token=signed_in.token, address=address_of(request), scheme=request.url.scheme
    )
    return Visit(
        signed_in=signed_in,
        signing_in=console.signing_in,
        api=OwnApi(routes=console.routes, process=console.process, caller=caller),
        ids=request.path_params,
        query=read_query(request),
        form=await read_form(request) if request.method == "POST" else Given(()),
    )


async def _require_form_token(visit: Visit, request: Request) -> None:
    """Raise Denied for a form that no page of this session has shown."""
    sessions, given = visit.signing_in.sessions, visit.form.whole("form_token")
    if request.method == "GET":
        return
    if not await sessions.is_form_token(visit.signed_in.session, given):
        raise Denied


async def _frame(visit: Visit, request: Request) -> Mapping[str, object]:
    sessions, session = visit.signing_in.sessions, visit.signed_in.session
    form_token = await sessions.form_token(session)
    around = await frame_facts(
        visit.api, visit.query, request.url.path.removeprefix(ROOT), form_token
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
