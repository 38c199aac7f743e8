"""Access explaining: why an action or an analysis is given a secret, or is not."""

from collections.abc import Mapping, Sequence

from keyrelay.api.failures import FORESEEN, sentence_of, status_of
from keyrelay.console.choices import Choices, read_choices
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.policy_rows import id_typed
from keyrelay.console.policy_words import Piece, linked
from keyrelay.console.visit import PageRoute, Shown, Visit

_TARGETS = ("action", "analysis")


async def show(visit: Visit) -> Shown:
    """Explain what the address asks, or ask what is to be explained."""
    choices = await read_choices(visit.api)
    kind, target = _target(visit, choices)
    secret = id_typed(visit.query.text("secret"), choices.ids)
    facts: dict[str, object] = {
        "choices": choices,
        "target": choices.text(target),
        "secret": choices.text(secret),
        "asked": {kind: target, "secret": secret},
        "sentence": None,
        "explanation": None,
    }
    status = 200
    if target and secret:
        query = [(kind, target), ("secret", secret)]
        try:
            found = await visit.api.result("/am/explain", ApiQuestion(query=query))
            facts.update(_explained(found, choices))
        except FORESEEN as failure:
            facts["sentence"], status = sentence_of(failure), status_of(failure)
    return Shown(template="access/explain.html", facts=facts, status=status)


def _explained(found: Document, choices: Choices) -> Document:
    known = {each.id: Piece(text=each.name, path=each.path) for each in choices.offered}
    return {
        "explanation": found,
        "reason": [*linked(str(found["reason"]), known)],
        "matched": _linked_all(found.get("matched"), known),
        "misses": _linked_all(found.get("misses"), known),
    }


def _linked_all(
    sentences: object, known: Mapping[str, Piece]
) -> Sequence[Sequence[Piece]]:
    told = sentences if isinstance(sentences, list) else []
    return [[*linked(str(each), known)] for each in told]


def _target(visit: Visit, choices: Choices) -> tuple[str, str]:
    """Return the kind and the id of what is to use the secret; "", none was given.

    A link names it by `action` or `analysis`, the form by `target`.
    """
    for kind in _TARGETS:
        if text := visit.query.text(kind):
            return kind, id_typed(text, choices.ids)
    text = visit.query.text("target")
    id_ = id_typed(text, choices.ids)
    kinds = {each.id: each.kind for each in choices.offered}
    guessed = "analysis" if text.startswith("analysis ") else "action"
    return kinds.get(id_, guessed), id_


PAGES = (PageRoute(method="GET", path="/access/explain", answer=show),)
