"""Failures: the one answer that every request gets which did not succeed.

Its body is `{"status": false, "message": …}`, which never repeats what was sent.
TagoIO's clients show the message of a 4xx; what is answered with 5xx they ask again for
a while, and drop its message: 503 is said only where it helps to ask again.
"""

from collections.abc import Mapping

from starlette.responses import JSONResponse

from keyrelay.api.route import BodyTooLarge
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.trigger import MalformedTrigger
from keyrelay.ports import Unavailable, Unsealable
from keyrelay.services.console_room import ConsoleBusy
from keyrelay.services.events.listeners import TooManyStreams
from keyrelay.services.events.run_listeners import NotHandedOut
from keyrelay.services.explaining import NotInCatalog
from keyrelay.services.naming import AmbiguousName, UnknownName
from keyrelay.services.redriving import BeingAttempted, NotRedriven
from keyrelay.services.script_calls import TooManyCalls
from keyrelay.services.script_records import NotRecorded
from keyrelay.stores.definitions.analyses import ScriptAltered
from keyrelay.stores.definitions.definition_index import IndexBroken
from keyrelay.stores.refusals import EditedMeanwhile, InUse, NotFound, Outdated

DENIED = "Authorization Denied"
_AGAIN = {"Retry-After": "1"}  # seconds


class Denied(Exception):
    """No token, none that is known, or one that may not do this."""


class TooManyTries(Exception):
    """Too many wrong tokens came from this address; how many seconds to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests (Retry-After: {seconds})")
        self.seconds = seconds


class NotNow(Exception):
    """The thing stands so that this cannot be done; the message says how it stands."""


class BadRequest(Exception):
    """The request is not carried out; the message says what to change."""


_STATUSES: Mapping[type[Exception], int] = {
    Denied: 401,
    NotFound: 404,
    UnknownName: 404,
    AmbiguousName: 400,
    NotInCatalog: 409,
    EditedMeanwhile: 409,
    InUse: 409,
    BeingAttempted: 409,
    NotRedriven: 409,
    NotNow: 409,
    NotHandedOut: 409,
    IndexBroken: 409,
    ScriptAltered: 409,
    NotRecorded: 409,
    Unsealable: 409,
    Outdated: 412,
    BodyTooLarge: 413,
    TooManyTries: 429,
    TooManyStreams: 429,
    TooManyCalls: 429,
    ConsoleBusy: 429,
    Unavailable: 503,
    InvalidDefinition: 400,
    MalformedTrigger: 400,
    BadRequest: 400,
}
FORESEEN = tuple(_STATUSES)
# What TagoIO's clients are told of an id that is not there.
_NOT_FOUND = {
    "policy": "Access Management Not Found",
    "analysis": "Analysis can't be found",
}
_BAD_NAMES = {"analysis"}  # of which TagoIO takes an unknown id for a bad request


def answer_to(failure: Exception) -> JSONResponse:
    """Return the answer to a request that failed in a way that was foreseen."""
    return failed(status_of(failure), sentence_of(failure), _headers(failure))


def failed(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = {"status": False, "message": message}
    return JSONResponse(body, status, dict(headers or {}))


def status_of(failure: Exception) -> int:
    """Return the status of a failure that was foreseen."""
    if isinstance(failure, NotFound | UnknownName) and failure.noun in _BAD_NAMES:
        return 400
    return next(
        status for kind, status in _STATUSES.items() if isinstance(failure, kind)
    )


def _headers(failure: Exception) -> Mapping[str, str]:
    match failure:
        case TooManyTries(seconds=seconds) | ConsoleBusy(seconds=seconds):
            return {"Retry-After": str(seconds)}
        case Unavailable() | TooManyStreams() | TooManyCalls():
            return _AGAIN
        case _:
            return {}


def sentence_of(failure: Exception) -> str:
    """Return what people are told of it, which repeats nothing that was sent."""
    match failure:
        case Denied():
            return DENIED
        # Their own texts repeat what was asked for.
        case NotFound(noun=noun) | UnknownName(noun=noun):
            return _NOT_FOUND.get(noun, f"{noun.title()} Not Found")
        case AmbiguousName():
            return "several have this name: give an id"
        case IndexBroken():
            return (
                "the definitions of this profile were altered outside Keyrelay: an"
                " operator accepts them with `keyrelay definitions accept --all`"
            )
        case _:
            return str(failure)
