"""Open routes: what is answered without a token, which tells nothing of a profile."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keyrelay.api.failures import failed
from keyrelay.api.reference import reference_page
from keyrelay.app.api import ApiProcess

OpenEndpoint = Callable[[Request], Awaitable[Response]]

OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json", "/reference")
_YES = {"status": True, "result": "yes"}


def open_routes(
    process: ApiProcess, document: Mapping[str, object]
) -> Mapping[str, OpenEndpoint]:
    """Return the endpoints by their paths; `document` is OpenAPI's."""

    async def alive(_: Request) -> Response:
        return JSONResponse(_YES)

    async def ready(_: Request) -> Response:
        """Say yes or no; an operator reads why at the setting `probes`."""
        await process.observed.readiness.refresh()
        if process.observed.readiness.faults():
            return failed(503, "no", {"Retry-After": "2"})
        return JSONResponse(_YES)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document)

    async def reference(_: Request) -> Response:
        return reference_page(document)

    return dict(zip(OPEN_PATHS, (alive, ready, openapi, reference), strict=True))
