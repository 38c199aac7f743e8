"""Account: what TagoIO's clients ask of their token and its profile."""

from collections.abc import Mapping

from keyrelay.api.described import described
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.token import rights_document
from keyrelay.stores.installation import list_profiles

_ANY = {"type": "object"}


async def show_info(asked: Asked) -> Answer:
    """Answer what is known of the token and its profile."""
    token = asked.caller.token
    shown = {
        "name": token.name,
        "prefix": token.prefix,
        **rights_document(token.rights),
    }
    return Answer(result={**await _profile(asked), "token": shown})


async def show_profile(asked: Asked) -> Answer:
    return Answer(result={"info": await _profile(asked)})


async def show_account(asked: Asked) -> Answer:
    """Answer an account that has this one profile: there are no others to tell of."""
    known = await _profile(asked)
    return Answer(result={**known, "active": True, "profiles": [known]})


async def _profile(asked: Asked) -> Mapping[str, object]:
    """Return what is told of the caller's profile."""
    id_ = asked.caller.profile
    profiles = await list_profiles(asked.process.store.database)
    (name,) = (each.name for each in profiles if each.id == id_)
    return {"id": id_, "name": name}


ROUTES = (
    Route(
        method="GET",
        path="/info",
        right=Right.KNOWN,
        answer=show_info,
        described=described("Show the token and its profile", _ANY),
    ),
    Route(
        method="GET",
        path="/profile/current",
        right=Right.READ,
        answer=show_profile,
        described=described("Show the token's profile", _ANY),
    ),
    Route(
        method="GET",
        path="/account",
        right=Right.READ,
        answer=show_account,
        described=described("Show the account, as TagoIO's clients ask", _ANY),
    ),
)
