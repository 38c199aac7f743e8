"""Actions: listed, made, edited and deleted, as TagoIO's clients do it."""

from collections.abc import Mapping, Sequence

from keyrelay.api.described import as_json, described, path_id
from keyrelay.api.documents import DocumentNames, DocumentRoutes
from keyrelay.api.query import Filter, QueryRules
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.api.trigger_documents import UNNAMED_TRIGGER
from keyrelay.model.action import TARGET
from keyrelay.model.documents import parse_document
from keyrelay.model.instant import wire_date
from keyrelay.model.trigger import Origin
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
    process, caller, id_ = asked.process, asked.caller, asked.ids["id"]
    definitions, world = process.store.definitions, process.store.audit_log.world
    await definitions.actions.get(caller.profile, id_)
    raw = await asked.body.read()
    origin = Origin(profile=caller.profile, now=world.now, new_id=world.new_id)
    previewing = Previewing(
        catalog=process.newest_catalog,
        types=definitions.secrets.actions.types,
        now=world.now,
    )
    trigger = (
        trigger_for(id_, parse_document(raw), origin)
        if raw.strip()
        else sample_trigger(caller.profile, id_, world.now())
    )
    return Answer(result=await previewing.preview(trigger))


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

ROUTES = (*_ACTIONS.routes("/action", Right.WRITE), _PREVIEW)
