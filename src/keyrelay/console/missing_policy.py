"""Missing policy: the one that would let an action or analysis use a secret."""

from collections.abc import Sequence

from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.policy_rows import NEW_PERMISSION, NEW_TARGET
from keyrelay.console.visit import Visit

LONGEST_NAME = 100
# By the word in the address: the kind of the tuple, and the path of the thing.
_ASKED = (
    ("action", "action", "/action/{id}"),
    ("analysis", "analysis", "/analysis/{id}"),
    ("secret", "secrets", "/secrets/{id}"),
)


async def missing_policy(visit: Visit) -> Document:
    """Return a policy about the tags of what the address names; else an empty one.

    Raises as the routes of those things do.
    """
    targets: list[Sequence[str]] = [NEW_TARGET]
    permission, names = NEW_PERMISSION, []
    for word, kind, path in _ASKED:
        if not (id_ := visit.query.text(word)):
            continue
        # No more of it is looked at than its tags: what shows a token is recorded.
        asked = ApiQuestion(ids={"id": id_}, query=[("reveal", "no")])
        found = await visit.api.result(path, asked)
        names.append(str(found.get("name", found.get("key"))))
        if word == "secret":
            permission = {**NEW_PERMISSION, "resource": _by_tag(kind, found)}
        else:
            targets = [_by_tag(kind, found)]
    return {
        "name": " uses ".join(names)[:LONGEST_NAME] if len(names) > 1 else "",
        "active": True,
        "tags": [],
        "targets": targets,
        "permissions": [permission],
    }


def _by_tag(kind: str, thing: Document) -> Sequence[str]:
    """Return the tuple of the thing's first tag, or of its id if it carries none."""
    match thing.get("tags"):
        case [{"key": str(key), "value": str(value)}, *_]:
            return [kind, "tag.key", key, "tag.value", value]
        case _:
            return [kind, "id", str(thing["id"])]
