"""Actions: listed, made, edited and deleted, as TagoIO's clients do it."""

from collections.abc import Mapping, Sequence

from keyrelay.api.described import as_json, described, named, object_of, path_id
from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.api.trigger_documents import UNNAMED_TRIGGER
from keyrelay.model.action import TARGET
from keyrelay.model.documents import (
    parse_document,
    refuse_unknown,
    require_object,
    require_text,
)
from keyrelay.model.instant import wire_date
from keyrelay.model.trigger import Origin, Trigger
from keyrelay.services.previewing import Previewing, sample_trigger, trigger_for
from keyrelay.services.remarks import on_stored_action
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.stored_document import StoredDocument
from keyrelay.stores.last_times import LastTimes

# fmt: off
_FIELDS = (
    "id", "name", "profile", "active", "lock", "tags", "description", "type", "trigger",
    "action", "trigger_when_unlock", "retry", "last_triggered", "created_at",
    "updated_at",
)
# fmt: on
_DRAFT_ID = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 24,
    "description": "The id of the action that is to be replaced by it.",
}


async def _remarks(asked: Asked, stored: StoredDocument) -> Sequence[str]:
    process, profile = asked.process, asked.caller.profile
    rules = process.store.definitions.secrets.actions
    return await on_stored_action(rules, process.newest_catalog, profile, stored)


async def _last_times(
    asked: Asked, ids: Sequence[str]
) -> Mapping[str, Mapping[str, object]]:
    times = LastTimes(database=asked.process.store.database)
    last = await times.read(asked.caller.profile, Noun.ACTION, ids)
    return {id_: {"last_triggered": wire_date(last.get(id_))} for id_ in ids}


_ACTIONS = DocumentRoutes(
    store=lambda process: process.store.definitions.actions,
    rules=QueryRules(
        fields=_FIELDS,
        default_fields=("id", "name"),
        orders=("name", "active", "last_triggered", "created_at", "updated_at"),
        default_order="name",
        filters={
            "id": Filter.ID,
            "name": Filter.NAME,
            "active": Filter.ACTIVE,
            "tags": Filter.TAGS,
        },
    ),
    names=DocumentNames(
        many="actions",
        schema="Action",
        title="Action",
        told=("action",),
        kind=TARGET,
    ),
    remarks=_remarks,
    beside=_last_times,
)


async def preview(asked: Asked) -> Answer:
    id_ = asked.ids["id"]
    await asked.process.store.definitions.actions.get(asked.caller.profile, id_)
    raw = await asked.body.read()
    trigger = _trigger(asked, id_, parse_document(raw) if raw.strip() else None)
    return Answer(result=await _previewing(asked).preview(trigger))


async def preview_draft(asked: Asked) -> Answer:
    """Preview an action that is not stored, or not as it is given."""
    given = await asked.body.document()
    refuse_unknown(given, frozenset({"action", "id", "trigger"}), "a preview")
    document = require_object(given.get("action"), "action")
    sample = given.get("trigger")
    definitions, profile = asked.process.store.definitions, asked.caller.profile
    id_ = await _id_of_draft(asked, given.get("id"))
    action = definitions.secrets.actions.parse_written(document, id_, profile)
    about = None if sample is None else require_object(sample, "trigger")
    trigger = _trigger(asked, id_, about)
    shown = await _previewing(asked).preview_draft(action, trigger)
    return Answer(result={**shown, "action": given.get("id")})


async def _id_of_draft(asked: Asked, given: object) -> str:
    """Return the id of the action that a draft is to replace; of none, a new one.

    Policies that name an action by its id do not mean a new one.
    """
    if given is None:
        world = asked.process.store.audit_log.world
        return world.new_id(world.now())
    id_ = require_text(given, "id", longest=24)
    await asked.process.store.definitions.actions.get(asked.caller.profile, id_)
    return id_


def _trigger(
    asked: Asked, action: str, document: Mapping[str, object] | None
) -> Trigger:
    """Return the trigger that is given; without one, a sample."""
    world, profile = asked.process.store.audit_log.world, asked.caller.profile
    if document is None:
        return sample_trigger(profile, action, world.now())
    origin = Origin(profile=profile, now=world.now, new_id=world.new_id)
    return trigger_for(action, document, origin)


def _previewing(asked: Asked) -> Previewing:
    store = asked.process.store
    return Previewing(
        catalog=asked.process.newest_catalog,
        types=store.definitions.secrets.actions.types,
        now=store.audit_log.world.now,
    )


_PREVIEW = Route(
    method="POST",
    path="/action/{id}/preview",
    right=Right.WRITE,
    answer=preview,
    described={
        **described(
            "Show what the action would send for a trigger, and what would prevent it",
            {"type": "object"},
            parameters=[path_id("The id of the action.")],
        ),
        "requestBody": {
            "description": "The trigger; without one, a sample with every fact.",
            "required": False,
            "content": as_json(UNNAMED_TRIGGER),
        },
    },
)
_PREVIEW_DRAFT = Route(
    method="POST",
    path="/action/preview",
    right=Right.WRITE,
    answer=preview_draft,
    described=described(
        "Show what an action would send if it were stored as it is given",
        {"type": "object"},
        body=object_of(
            {
                "action": named("ActionCreate"),
                "id": _DRAFT_ID,
                "trigger": {"anyOf": [UNNAMED_TRIGGER, {"type": "null"}]},
            },
            "action",
        ),
    ),
)

ROUTES = (*_ACTIONS.routes("/action", Right.WRITE), _PREVIEW_DRAFT, _PREVIEW)
