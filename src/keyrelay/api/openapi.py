"""OpenAPI: the document of all routes, made of what each says of itself."""

from collections.abc import Iterable, Mapping
from typing import Final

from keyrelay import __version__
from keyrelay.api.route import Route
from keyrelay.api.schemas import SCHEMAS

TOKEN: Final = "token"  # noqa: S105 - the header's name
TOKEN_IN_QUERY: Final = "token_in_query"  # noqa: S105 - of one route alone
_ABOUT = (
    "Secrets, access management and actions as TagoIO's SDKs call them, and Keyrelay's"
    " own routes in the same manner. Every answer is JSON: `status` says whether it was"
    " done, `result` holds what was asked for, `message` says why it was not done."
)


def openapi_document(routes: Iterable[Route], url: str) -> Mapping[str, object]:
    """Return the OpenAPI 3.1 document of these routes, which answer at `url`."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    schemes = {
        TOKEN: {"type": "apiKey", "in": "header", "name": TOKEN},
        TOKEN_IN_QUERY: {"type": "apiKey", "in": "query", "name": TOKEN},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Keyrelay", "version": __version__, "description": _ABOUT},
        "servers": [{"url": url}],
        "security": [{TOKEN: []}],
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": schemes},
    }


def _operation(route: Route) -> Mapping[str, object]:
    noun = route.path.split("/")[1]
    return {
        "operationId": operation_id(route),
        "tags": [noun],
        "description": _asks(route),
        **route.described,
    }


def _asks(route: Route) -> str:
    right, governed = f"Asks for the right: {route.right}.", route.governed
    if governed is None:
        return right
    kind = governed.kind or "things of the kind"
    return f"{right} An analysis may, where policies let it {governed.verb} {kind}."


def operation_id(route: Route) -> str:
    """Return the name of the function that answers, in OpenAPI's way."""
    words = [part.strip("{}") for part in route.path.split("/") if part]
    return "_".join([route.method.lower(), *words]).replace("-", "_")
