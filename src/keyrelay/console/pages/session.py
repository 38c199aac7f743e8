"""Session: signing out, here or everywhere, and adding an operator token."""

from keyrelay.api.failures import BadRequest
from keyrelay.console.visit import Moved, PageRoute, Visit
from keyrelay.model.token import TokenKind


async def sign_out(visit: Visit) -> Moved:
    sessions, signed_in = visit.signing_in.sessions, visit.signed_in
    if visit.form.has("everywhere"):
        await sessions.end_all(signed_in.token)
    else:
        await sessions.end(signed_in.session)
    return Moved(path="/sign-in", cookie="")


async def add_operator(visit: Visit) -> Moved:
    """Add the operator token that was typed. Raises as Authorization.token."""
    plaintext = visit.form.text("token")
    authorization = visit.signing_in.authorization
    token = await authorization.token([plaintext], visit.api.caller.address)
    if token.rights.kind is not TokenKind.OPERATOR:
        raise BadRequest(
            "an operator token begins with `o-`; the command line makes it"
        )
    sessions, session = visit.signing_in.sessions, visit.signed_in.session
    cookie = await sessions.with_operator(session, plaintext)
    return Moved(path="/", said="operator", cookie=cookie)


PAGES = (
    PageRoute(method="POST", path="/sign-out", answer=sign_out),
    PageRoute(method="POST", path="/operator", answer=add_operator),
)
