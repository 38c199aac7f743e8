"""Account: what TagoIO's clients ask of their token and its profile."""

from collections.abc import Mapping

from keyrelay.api.described import described
from keyrelay.api.failures import Denied
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.token import rights_document
from keyrelay.stores.installation import list_profiles

_ANY = {"type": "object"}


async def show_info(asked: Asked) -> Answer:
    """Answer what is known of the token, and of its profile or its analysis."""
    token = asked.caller.token
    shown = {
        "name": token.name,
        "prefix": token.prefix,
        **rights_document(token.rights),
    }
    analysis = token.rights.analysis
    of = await (_profile(asked) if analysis is None else _analysis(asked, analysis))
    return Answer(result={**of, "token": shown})


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


async def _analysis(asked: Asked, id_: str) -> Mapping[str, object]:
    """Return what a script asks of its analysis before it opens its stream."""
    profile = asked.caller.profile
    found = (await asked.process.newest_catalog()).analyses.get((profile, id_))
    if found is None:  # it was deleted a moment ago
        raise Denied
    analysis = found.analysis
    return {
        "id": id_,
        "name": analysis.name,
        "profile": profile,
        "active": analysis.active,
        "run_on": analysis.run_on,
    }


ROUTES = (
    Route(
        method="GET",
        path="/info",
        right=Right.KNOWN,
        answer=show_info,
        described=described("Show the token, and its profile or its analysis", _ANY),
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
