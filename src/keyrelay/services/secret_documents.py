"""Secret documents: what every face shows of a secret, never its value."""

from keyrelay.model.instant import wire_date
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
