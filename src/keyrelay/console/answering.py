"""Answering: a page, or the way to one, as what a browser is sent."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, urlencode

from starlette.responses import (
    HTMLResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from keyrelay.console.rendering import render

ROOT = "/console"

# No script and no style but the console's own files (W3C CSP 3). Its own pages are told
# the origin: without it, a form could not be told from one of another site.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self';"
    " style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page(template: str, facts: Mapping[str, object], status: int = 200) -> Response:
    return HTMLResponse(render(template, facts), status)


def kept(name: str, chunks: AsyncIterator[bytes]) -> Response:
    """Return a file that a browser keeps, and never shows."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, 200, headers, "application/octet-stream")


def moved(path: str, said: str | None = None) -> Response:
    """Return the way to a page: 303, so that a reload sends no form again."""
    if said is not None:
        path += f"{'&' if '?' in path else '?'}{urlencode({'said': said})}"
    return RedirectResponse(f"{ROOT}{path}", 303)


def asked_to_sign_in(path: str) -> Response:
    """Return the way to the page of signing in, and from there to this path."""
    return moved("/sign-in" if path == "/" else f"/sign-in?next={quote(path, safe='')}")
