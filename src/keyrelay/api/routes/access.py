"""Access: policies, as TagoIO's clients keep them, and what they can govern."""

from keyrelay.api.described import described
from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.policy.catalogue import catalogue
from keyrelay.model.policy.policy_document import allows_first

_POLICIES = DocumentRoutes(
    store=lambda process: process.store.definitions.policies,
    rules=QueryRules(
        fields=("id", "name", "profile", "tags", "active", "created_at", "updated_at"),
        default_fields=("id", "name", "tags"),
        orders=("name", "active", "created_at", "updated_at"),
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
    shown=allows_first,
)


async def show_settings(_: Asked) -> Answer:
    return Answer(result=catalogue())


ROUTES = (
    # Before the policies, of which it has the path of one.
    Route(
        method="GET",
        path="/am/settings",
        right=Right.READ,
        answer=show_settings,
        described=described("Show what policies can govern", {"type": "object"}),
    ),
    *_POLICIES.routes("/am", Right.FULL),
)
