"""Access: policies, as TagoIO's clients keep them, and what they can govern."""

import asyncio
from collections.abc import Mapping, Sequence

from keyrelay.api.described import (
    FILTER,
    asked_for,
    described,
    in_query,
    list_of,
    named,
    path_id,
)
from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.failures import BadRequest
from keyrelay.api.parameters import parse_parameters
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.catalog import Catalog
from keyrelay.model.ids import is_id
from keyrelay.model.policy.catalogue import catalogue
from keyrelay.model.policy.policy_document import (
    allows_first,
    parse_policy,
    require_possible,
)
from keyrelay.services.explaining import NotInCatalog, asking
from keyrelay.services.policy_coverage import coverage, coverage_document
from keyrelay.services.policy_losses import losses_document, policy_losses
from keyrelay.services.remarks import on_stored_policy
from keyrelay.stores.definitions.stored_document import StoredDocument

# fmt: off
_FIELDS = (
    "id", "name", "profile", "tags", "active", "created_at", "updated_at", "rules",
)
# fmt: on
_UNNAMED = "unnamed"  # what is previewed may have no name yet


async def _remarks(asked: Asked, stored: StoredDocument) -> Sequence[str]:
    return on_stored_policy(asked.caller.profile, stored)


def _shown(asked: Asked, stored: StoredDocument) -> Mapping[str, object]:
    """Return the document; in a list, what it says can be asked for as one field.

    TagoIO's lists never tell targets and permissions, and Keyrelay's own field is not
    one that a client sends back.
    """
    document = allows_first(stored.document)
    if "id" in asked.ids:
        return document
    rules = {name: document.get(name, []) for name in ("targets", "permissions")}
    return {**document, "rules": rules}


_POLICIES = DocumentRoutes(
    store=lambda process: process.store.definitions.policies,
    rules=QueryRules(
        fields=_FIELDS,
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
    shown=_shown,
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
    return Answer(result=await explaining.tell(profile, asks, secret))


async def preview(asked: Asked) -> Answer:
    """Say what a policy would be about, whether it is stored or not."""
    document = dict(await asked.body.document())
    given, name = document.pop("id", None), document.get("name")
    id_, profile = str(given) if is_id(given) else "", asked.caller.profile
    policy = parse_policy({**document, "name": name or _UNNAMED}, id_, profile)
    require_possible(policy)
    catalog = await _catalog(asked)
    # Beside the event loop: a profile may have very many secrets.
    found = await asyncio.to_thread(coverage, catalog, policy)
    return Answer(result=coverage_document(found))


async def list_losses(asked: Asked) -> Answer:
    id_, profile = asked.ids["id"], asked.caller.profile
    await asked.process.store.definitions.policies.get(profile, id_)
    found = policy_losses(await _catalog(asked), profile, id_)
    return Answer(result=await asyncio.to_thread(losses_document, found))


async def _catalog(asked: Asked) -> Catalog:
    """Return what a worker would see. Raises NotInCatalog and Unavailable."""
    catalog = await asked.process.newest_catalog()
    if (reason := catalog.omitted.profiles.get(asked.caller.profile)) is not None:
        raise NotInCatalog(reason)
    return catalog


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
    Route(
        method="POST",
        path="/am/preview",
        right=Right.READ,
        answer=preview,
        described=described(
            "Name what a policy would be about, and store nothing",
            {"type": "object"},
            body=named("PolicyEdit"),
        ),
    ),
    Route(
        method="GET",
        path="/am/{id}/losses",
        right=Right.READ,
        answer=list_losses,
        described=described(
            "List what is released now, and would not be without this policy",
            list_of({"type": "object"}),
            parameters=[path_id("The policy's id.")],
        ),
    ),
    *_POLICIES.routes("/am", Right.FULL),
)
