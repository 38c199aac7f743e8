"""Access: policies, as TagoIO's clients keep them, and what they can govern."""

from collections.abc import Sequence

from keyrelay.api.described import FILTER, asked_for, described, in_query
from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.failures import BadRequest
from keyrelay.api.parameters import parse_parameters
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.policy.catalogue import catalogue
from keyrelay.model.policy.policy_document import allows_first
from keyrelay.services.explaining import asking, explanation_document
from keyrelay.services.remarks import on_stored_policy
from keyrelay.stores.definitions.stored_document import StoredDocument


async def _remarks(asked: Asked, stored: StoredDocument) -> Sequence[str]:
    return on_stored_policy(asked.caller.profile, stored)


_POLICIES = DocumentRoutes(
    store=lambda process: process.store.definitions.policies,
    rules=QueryRules(
        fields=("id", "name", "profile", "tags", "active", "created_at", "updated_at"),
        default_fields=("id", "name", "tags"),
        orders=("name", "active", "created_at", "updated_at"),
        default_order="name",
        filters={
            "id": Filter.ID,
            "name": Filter.NAME,
            "active": Filter.ACTIVE,
            "tags": Filter.TAGS,
        },
    ),
    names=DocumentNames(
        many="policies",
        schema="Policy",
        title="Access Management",
        told=("am_id",),
        always=("id", "tags", "profile"),
    ),
    remarks=_remarks,
    shown=lambda _, stored: allows_first(stored.document),
)


async def explain(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, ("action", "analysis", "secret"))
    asks, secret = (
        asking(given.text("action"), given.text("analysis")),
        given.text("secret"),
    )
    if secret is None:
        raise BadRequest("explain takes a secret, by its id or key")
    explaining, profile = asked.process.explaining, asked.caller.profile
    explanation = await explaining.explain(profile, asks, secret)
    return Answer(result=explanation_document(explanation))


async def show_settings(_: Asked) -> Answer:
    return Answer(result=catalogue())


ROUTES = (
    # Before the policies, of which they have the path of one.
    Route(
        method="GET",
        path="/am/settings",
        right=Right.READ,
        answer=show_settings,
        described=described("Show what policies can govern", {"type": "object"}),
    ),
    Route(
        method="GET",
        path="/am/explain",
        right=Right.READ,
        answer=explain,
        described=described(
            "Say whether an action or analysis may use a secret, and why",
            {"type": "object"},
            parameters=[
                in_query("action", FILTER, "The action, by id or name."),
                in_query("analysis", FILTER, "Or the analysis, by id or name."),
                asked_for("secret", FILTER, "The secret, by id or key."),
            ],
        ),
    ),
    *_POLICIES.routes("/am", Right.FULL),
)
