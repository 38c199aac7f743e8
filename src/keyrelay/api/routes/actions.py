"""Actions: listed, made, edited and deleted, as TagoIO's clients do it."""

from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right

# fmt: off
_FIELDS = (
    "id", "name", "profile", "active", "lock", "tags", "description", "type", "trigger",
    "action", "trigger_when_unlock", "retry", "last_triggered", "created_at",
    "updated_at",
)
# fmt: on

_ACTIONS = DocumentRoutes(
    store=lambda process: process.store.definitions.actions,
    rules=QueryRules(
        fields=_FIELDS,
        default_fields=("id", "name"),
        orders=("name", "active", "last_triggered", "created_at", "updated_at"),
        default_order="name",
        filters={"name": Filter.NAME, "active": Filter.ACTIVE, "tags": Filter.TAGS},
    ),
    names=DocumentNames(
        many="actions", schema="Action", title="Action", created="action"
    ),
)

ROUTES = _ACTIONS.routes("/action", Right.WRITE)
