"""Access: policies, as TagoIO's clients keep them."""

from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right

_POLICIES = DocumentRoutes(
    store=lambda process: process.store.definitions.policies,
    rules=QueryRules(
        fields=("id", "name", "profile", "tags", "active", "created_at", "updated_at"),
        default_fields=("id", "name", "tags"),
        orders=("name", "created_at"),
        default_order="name",
        filters={"name": Filter.NAME, "active": Filter.ACTIVE, "tags": Filter.TAGS},
    ),
    names=DocumentNames(
        many="policies",
        schema="Policy",
        title="Access Management",
        created="am_id",
    ),
    always=("id", "tags", "profile"),
)


ROUTES = _POLICIES.routes("/am", Right.FULL)
