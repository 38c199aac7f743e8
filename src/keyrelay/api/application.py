"""Application: the routes behind authorization, with one envelope for all answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from fastapi import FastAPI, Request
from starlette import routing
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp

from keyrelay.api.authorization import Authorization
from keyrelay.api.counting import CountedRequests
from keyrelay.api.failures import FORESEEN, answer_to, failed
from keyrelay.api.governing import answer_of
from keyrelay.api.open_routes import open_routes
from keyrelay.api.openapi import TOKEN, openapi_document
from keyrelay.api.query_string import parse_pairs
from keyrelay.api.route import Answer, Asked, RequestBody, Route
from keyrelay.app.api import ApiProcess
from keyrelay.observability.request_metrics import RouteLabels

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


def application(
    process: ApiProcess, authorization: Authorization, routes: Sequence[Route]
) -> ASGIApp:
    """Return the application that answers all routes, with and without a last slash."""
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    counted: dict[object, RouteLabels] = {}
    for route in routes:
        endpoint = _endpoint(route, process, authorization)
        methods = [route.method]
        # TagoIO's clients use either spelling of a path.
        for path in (route.path, f"{route.path}/"):
            app.router.routes.append(routing.Route(path, endpoint, methods=methods))
        counted[endpoint] = route.labels
    document = openapi_document(routes, process.url)
    for path, open_endpoint in open_routes(process, document).items():
        app.add_route(path, open_endpoint, methods=["GET"])
        counted[open_endpoint] = ("GET", path)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unforeseen)
    metrics = process.observed.metrics
    return CountedRequests(behind=app, metrics=metrics, routes=counted)


def _endpoint(
    route: Route, process: ApiProcess, authorization: Authorization
) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        try:
            given = _tokens(request, route)
            caller = await authorization.admit(given, _address(request), route)
            answer = await answer_of(
                route,
                Asked(
                    caller=replace(caller, scheme=request.scope["scheme"]),
                    ids=request.path_params,
                    query=_query(request),
                    headers=request.headers,
                    body=RequestBody(request.stream),
                    process=process,
                ),
            )
        except FORESEEN as failure:
            return answer_to(failure)
        except ClientDisconnect:
            return failed(400, "the request was cut short")  # though its client is gone
        return _enveloped(answer) if isinstance(answer, Answer) else answer

    return endpoint


def _tokens(request: Request, route: Route) -> Sequence[str]:
    """Return all that the request gives as its token. Raises InvalidDefinition."""
    given = request.headers.getlist(TOKEN)
    if route.is_stream:
        pairs = parse_pairs(_query(request))
        given += [value for name, value in pairs if name == TOKEN]
    return given


def _query(request: Request) -> str:
    # That of `request.url` is the same, once all of the address was put together.
    query: bytes = request.scope["query_string"]
    return query.decode()


def _enveloped(answer: Answer) -> Response:
    said = {} if answer.message is None else {"message": answer.message}
    body = {"status": True, "result": answer.result, **said}
    return JSONResponse(body, answer.status, dict(answer.headers))


def _address(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


async def _refused(request: Request, refusal: Exception) -> Response:
    """Answer what the router refuses: an unknown path, or a method it has not."""
    assert isinstance(refusal, HTTPException)
    if refusal.status_code != 405:
        return failed(404, "there is no such route; /openapi.json lists all there are")
    allowed = ", ".join(sorted(_methods(request)))
    return failed(405, f"this path answers {allowed}", {"Allow": allowed})


def _methods(request: Request) -> set[str]:
    return {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is Match.PARTIAL
        for method in route.methods or ()
    }


async def _unforeseen(_: Request, fault: Exception) -> Response:
    """Leave it to the front, which has an answer for whatever fails behind it."""
    raise fault
