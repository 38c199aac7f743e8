"""Definition answers: of what is known of a definition, what was asked for."""

from collections.abc import Iterable, Mapping


def only(fields: Iterable[str], document: Mapping[str, object]) -> Mapping[str, object]:
    """Return those of a document's fields; one that it has not is left out."""
    return {name: document[name] for name in fields if name in document}
