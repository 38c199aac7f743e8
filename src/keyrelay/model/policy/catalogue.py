"""Catalogue: what policies can govern here, as forms and clients list it."""

from collections.abc import Mapping, Sequence

from keyrelay.model.action import TARGET
from keyrelay.model.policy.kinds import ACCESS, ANALYSIS, CREATE, VERBS
from keyrelay.model.secret import RESOURCE

_LABELS = {RESOURCE: "Secrets", ANALYSIS: "Analysis", TARGET: "Action"}
_WAYS = ("any", "id", "tag", "tag_match")
_RELEASES = "Use the value of a secret"


def catalogue() -> Mapping[str, object]:
    """Return `{resources: {kind: {label}}, settings: {target: {kind: […]}}}`.

    Each entry of the list is what can be permitted: `{label, value, description,
    match_by}`, where `match_by` names the ways in which a resource can be named.
    """
    governed = {kind: _permitted(kind) for kind in VERBS}
    return {
        "resources": {kind: {"label": label} for kind, label in _LABELS.items()},
        "settings": {ANALYSIS: governed, TARGET: governed},
    }


def _permitted(kind: str) -> Sequence[Mapping[str, object]]:
    return [
        {
            "label": verb.replace("_", " ").title(),
            "value": verb,
            "description": _description(kind, verb),
            # What is created has no id beforehand.
            "match_by": [way for way in _WAYS if (verb, way) != (CREATE, "id")],
        }
        for verb in VERBS[kind]
    ]


def _description(kind: str, verb: str) -> str:
    if (kind, verb) == (RESOURCE, ACCESS):
        return _RELEASES
    return f"{verb.replace('_', ' ').capitalize()}: {_LABELS[kind].lower()}"
