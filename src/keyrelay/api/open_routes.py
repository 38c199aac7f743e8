"""Open routes: what is answered without a token, which tells nothing of a profile."""

import gzip
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keyrelay.api.failures import FORESEEN, answer_to, failed
from keyrelay.api.reference import reference_page
from keyrelay.app.api import ApiProcess

OpenEndpoint = Callable[[Request], Awaitable[Response]]

OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json", "/reference", "/scripts/{link}")
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

    async def script(request: Request) -> Response:
        """Answer the script that a signed address leads to, compressed."""
        try:
            return await _script(process, request.path_params["link"])
        except FORESEEN as failure:
            return answer_to(failure)

    endpoints = (alive, ready, openapi, reference, script)
    return dict(zip(OPEN_PATHS, endpoints, strict=True))


async def _script(process: ApiProcess, text: str) -> Response:
    link = await process.script_links.read(text)
    if link is None:
        return failed(404, "this address leads to no script, or no longer does")
    store = process.store.definitions.analyses
    _, content = await store.script(link.profile, link.analysis, link.version)
    # TagoIO's clients decompress it without looking at the headers.
    return Response(gzip.compress(content, mtime=0), media_type="application/gzip")
