"""Visiting: from a request to the visit that a page answers."""

from dataclasses import dataclass, field

from starlette.requests import Request

from keyrelay.api.failures import Denied
from keyrelay.api.route import Bearer
from keyrelay.app.api import ApiProcess
from keyrelay.console.given import Given
from keyrelay.console.incoming import address_of, read_form, read_query
from keyrelay.console.origins import Origins
from keyrelay.console.own_api import OwnApi, Routes
from keyrelay.console.recent import RecentAttempts
from keyrelay.console.signing_in import SigningIn
from keyrelay.console.visit import LAST_EVENT, Visit
from keyrelay.services.sessions import SignedIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What all pages need; `routes` are the API's."""

    process: ApiProcess
    routes: Routes
    signing_in: SigningIn
    origins: Origins
    recent: RecentAttempts = field(default_factory=RecentAttempts)


async def visit_of(console: Console, signed_in: SignedIn, request: Request) -> Visit:
    """Return what is asked. Raises BadRequest, BodyTooLarge and InvalidDefinition."""
    caller = Bearer(
        token=signed_in.token, address=address_of(request), scheme=request.url.scheme
    )
    return Visit(
        signed_in=signed_in,
        signing_in=console.signing_in,
        api=OwnApi(
            routes=console.routes,
            process=console.process,
            caller=caller,
            recent=console.recent,
        ),
        ids=request.path_params,
        query=_query(request),
        form=await read_form(request) if request.method == "POST" else Given(()),
    )


def _query(request: Request) -> Given:
    """Raises InvalidDefinition."""
    last = request.headers.get(LAST_EVENT)
    told = () if last is None else ((LAST_EVENT, last),)
    return Given((*told, *read_query(request).pairs))


async def require_form_token(visit: Visit, request: Request) -> None:
    """Raise Denied for a form that no page of this session has shown."""
    sessions, given = visit.signing_in.sessions, visit.form.whole("form_token")
    if request.method == "GET":
        return
    if not await sessions.is_form_token(visit.signed_in.session, given):
        raise Denied
