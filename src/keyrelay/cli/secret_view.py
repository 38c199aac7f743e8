"""Secret view: how a secret is shown, with what pauses it."""

from collections.abc import Mapping, Sequence

from keyrelay.cli.output import Document, put_document, show, show_table
from keyrelay.cli.session import Session
from keyrelay.model.instant import wire_date
from keyrelay.model.pause import PauseKind, PauseRecord

StandingPauses = Mapping[str, Sequence[PauseRecord]]  # by the id of the secret

_COLUMNS = ("kind", "since", "worker", "next_probe", "reason")


async def standing_pauses(session: Session) -> StandingPauses:
    """Return the pauses of the session's profile. Raises Unavailable."""
    standing: dict[str, list[PauseRecord]] = {}
    for pause in await session.store.pauses.standing(session.profile.id):
        standing.setdefault(pause.secret, []).append(pause)
    return standing


def paused_fields(standing: StandingPauses, secret: str) -> dict[str, object]:
    """Return what `secret list` and `secret show` say of a secret's pauses."""
    pauses = standing.get(secret, ())
    kinds = {pause.kind for pause in pauses}
    # Of both, the one that all workers obey.
    paused = next((kind for kind in PauseKind if kind in kinds), None)
    return {"paused": paused, "pauses": [pause_document(pause) for pause in pauses]}


def pause_document(pause: PauseRecord) -> Document:
    """Return a pause; `worker` is the only one that obeys it, null stands for all."""
    return {
        "kind": pause.kind,
        "reason": pause.reason,
        "since": wire_date(pause.since),
        "worker": pause.worker,
        "next_probe": wire_date(pause.probe_at),
    }


def show_with_pauses(document: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing; for people, its pauses stand in a table below it."""
    if as_json:
        put_document(document)
        return
    pauses = document["pauses"]
    show({name: each for name, each in document.items() if name != "pauses"})
    if isinstance(pauses, list) and pauses:
        show_pauses(pauses)


def show_pauses(pauses: Sequence[Document]) -> None:
    show_table(pauses, _COLUMNS)
