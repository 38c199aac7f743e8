"""Tags: the keys that the things of a kind carry."""

from keyrelay.api.described import TEXT, described, in_path, list_of
from keyrelay.api.failures import BadRequest
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Governed, Route
from keyrelay.model.policy.kinds import ACCESS
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.tag_keys import tag_keys

_KINDS = {
    "secrets": Noun.SECRET,
    "action": Noun.ACTION,
    "analysis": Noun.ANALYSIS,
    "am": Noun.POLICY,
}


async def list_keys(asked: Asked) -> Answer:
    noun = _KINDS.get(asked.ids["kind"])
    if noun is None:
        raise BadRequest(f"tags are kept of {', '.join(_KINDS)}")
    if asked.caller.grant is not None:
        return Answer(result=[*asked.caller.grant.tag_keys()])
    database = asked.process.store.database
    return Answer(result=await tag_keys(database, asked.caller.profile, noun))


ROUTES = (
    Route(
        method="GET",
        path="/tags/keys/{kind}",
        right=Right.READ,
        answer=list_keys,
        governed=Governed(kind=None, verb=ACCESS),
        described=described(
            "List the keys of all tags of a kind",
            list_of(TEXT),
            parameters=[in_path("kind", {"enum": [*_KINDS]}, "Whose tags.")],
        ),
    ),
)
