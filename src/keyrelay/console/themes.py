"""Themes: light or dark, as chosen in a browser; without a choice, as its system."""

from datetime import timedelta
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from keyrelay.console.answering import ROOT, moved
from keyrelay.console.incoming import read_form

THEMES = ("light", "dark")

_COOKIE = "keyrelay-theme"
_KEPT = timedelta(days=400)  # the longest that browsers keep one (RFC 6265bis)


def theme_of(request: Request) -> str:
    """Return the theme that was chosen in this browser; "" for the system's own."""
    chosen = request.cookies.get(_COOKIE, "")
    return chosen if chosen in THEMES else ""


async def choose_theme(request: Request) -> Response:
    """Keep the choice in the browser, and go on where it was made."""
    form = await read_form(request)
    response = moved(own_path(form.text("address")))
    response.set_cookie(
        _COOKIE,
        form.text("theme") if form.text("theme") in THEMES else "",
        max_age=int(_KEPT.total_seconds()),
        path=ROOT,
        httponly=True,
        samesite="strict",
    )
    return response


def own_path(path: str) -> str:
    """Return a path below the console; for any other, that of its first page."""
    parts = unquote(path.partition("?")[0]).split("/")
    # Browsers take a backslash for a slash, and leave a folder for each `..`.
    is_own = parts[0] == "" and len(parts) > 1 and path.isprintable()
    is_below = parts[1:2] != [""] or len(parts) == 2
    leads_away = any("\\" in part for part in (path, *parts)) or {"..", "."} & {*parts}
    return path if is_own and is_below and not leads_away else "/"
