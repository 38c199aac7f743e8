"""Secret documents: what every face shows of a secret, never its value."""

from collections.abc import Mapping, Sequence

from keyrelay.model.instant import wire_date, wire_instant
from keyrelay.model.pause import PauseRecord
from keyrelay.model.secret import SealedSecret
from keyrelay.model.tags import tags_document


def secret_document(sealed: SealedSecret) -> dict[str, object]:
    secret = sealed.secret
    return {
        "id": secret.id,
        "key": secret.key,
        "type": secret.type,
        "version": secret.version,
        "tags": tags_document(secret.tags),
        "value_length": sealed.value_length,
        "created_at": wire_date(sealed.created_at),
        "updated_at": wire_date(sealed.updated_at),
    }


def paused_documents(
    standing: Sequence[PauseRecord],
) -> Mapping[str, Mapping[str, object]]:
    """Return what is said of each paused secret, by its id.

    Of several pauses, that which all workers obey, or else the longest.
    """
    paused: dict[str, Mapping[str, object]] = {}
    for pause in sorted(standing, key=lambda each: each.worker is not None):
        paused.setdefault(pause.secret, _paused(pause))
    return paused


def _paused(pause: PauseRecord) -> Mapping[str, object]:
    return {
        "kind": pause.kind,
        "reason": pause.reason,
        "since": wire_instant(pause.since),
    }
