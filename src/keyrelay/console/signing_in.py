"""Signing in: a session begins with a token that is typed once, and ends."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from keyrelay.api.authorization import Authorization
from keyrelay.api.failures import Denied, TooManyTries
from keyrelay.console.answering import ROOT, moved, page
from keyrelay.console.incoming import address_of, read_form, read_query
from keyrelay.console.themes import own_path, theme_of
from keyrelay.model.session import LONGEST
from keyrelay.model.token import TokenKind
from keyrelay.services.sessions import Sessions, SignedIn

_COOKIE = "keyrelay-session"
_WRONG = "This is no token that counts: it may be mistyped, expired or revoked."
_OTHER_KIND = (
    "People sign in with a profile token, which begins with `p-`: make one with"
    " `keyrelay token create NAME --permission full`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    authorization: Authorization
    sessions: Sessions

    async def resume(self, request: Request) -> SignedIn | None:
        """Return the session of this browser, if it counts. Raises Unavailable."""
        cookie = request.cookies.get(_COOKIE)
        return None if cookie is None else await self.sessions.resume(cookie)

    async def show(self, request: Request) -> Response:
        """Answer the page that asks for a token. Raises InvalidDefinition."""
        return _asked(request, read_query(request).text("next"))

    async def sign_in(self, request: Request) -> Response:
        """Begin a session, or say in one sentence why not. Raises Unavailable."""
        form = await read_form(request)
        next_, plaintext = form.text("next"), form.text("token")
        try:
            given = [plaintext] if plaintext else []
            token = await self.authorization.token(given, address_of(request))
        except Denied:
            return _asked(request, next_, _WRONG, status=401)
        except TooManyTries as fault:
            sentence = f"Too many wrong tokens: try again in {fault.seconds} s."
            return _asked(request, next_, sentence, status=429)
        if token.rights.kind is not TokenKind.PROFILE:
            return _asked(request, next_, _OTHER_KIND, status=401)
        cookie = await self.sessions.begin(token, plaintext)
        return with_session(moved(own_path(next_)), cookie, request)


def with_session(response: Response, cookie: str, request: Request) -> Response:
    """Return the response, which keeps the session in the browser; "" ends it there."""
    if not cookie:
        response.delete_cookie(_COOKIE, path=ROOT)
        return response
    response.set_cookie(
        _COOKIE,
        cookie,
        max_age=int(LONGEST.total_seconds()),
        path=ROOT,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _asked(
    request: Request, next_: str, sentence: str | None = None, status: int = 200
) -> Response:
    facts = {"next": next_, "sentence": sentence, "theme": theme_of(request)}
    return page("sign_in.html", facts, status)
