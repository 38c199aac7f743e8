"""Schemas: the JSON Schemas of what the API takes and answers, by their names.

JSON Schema 2020-12. They say what a client can know beforehand; each document is read
by the parser of its noun, which refuses more.
"""

from collections.abc import Mapping

from keyrelay.api.described import TEXT, Part, list_of, named, object_of
from keyrelay.model.analysis import MOST_VARIABLES, RunOn
from keyrelay.model.pause import PauseKind
from keyrelay.model.run import RunOrigin, RunState
from keyrelay.model.run_confirmation import LONGEST_MESSAGE
from keyrelay.model.tags import LONGEST_TAG, MOST_TAGS
from keyrelay.model.uploaded_script import Runtime

_DATE: Part = {"type": "string", "format": "date-time"}
_MOMENT: Part = {"anyOf": [_DATE, {"const": "never"}]}
_FLAG: Part = {"type": "boolean"}
_COUNT: Part = {"type": "integer", "minimum": 0}
_LABEL: Part = {"type": "string", "minLength": 1, "maxLength": LONGEST_TAG}
_OPEN: Part = {"type": "object"}
_NOTHING: Part = {"type": "null"}
_OPTIONAL: Part = {"type": ["string", "null"]}
_TAGS: Part = {**list_of(named("Tag")), "maxItems": MOST_TAGS}
_TUPLE: Part = {**list_of(TEXT), "minItems": 1, "maxItems": 5}

_VALUE: Part = {
    "description": "A text of up to 2048 characters, or the fields of its type as an"
    " object or as the JSON of one.",
    "anyOf": [{"type": "string", "minLength": 1}, _OPEN],
}
_SECRET_INFO: Mapping[str, Part] = {
    "id": TEXT,
    "key": TEXT,
    "type": TEXT,
    "tags": _TAGS,
    "value_length": _COUNT,
    "version": _COUNT,
    "created_at": _DATE,
    "updated_at": _DATE,
    "paused": {
        "anyOf": [
            object_of(
                {"kind": {"enum": [*PauseKind]}, "reason": TEXT, "since": _DATE},
                "kind",
                "reason",
                "since",
            ),
            _NOTHING,
        ]
    },
}
_SECRET: Mapping[str, Part] = {
    "key": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$"},
    "value": _VALUE,
    "type": TEXT,
    "tags": _TAGS,
}
_ACTION: Mapping[str, Part] = {
    "name": _LABEL,
    "active": _FLAG,
    "lock": _FLAG,
    "tags": _TAGS,
    "description": {"type": "string", "maxLength": 2000},
    "type": TEXT,
    "trigger": list_of({}),
    "trigger_when_unlock": _FLAG,
    "action": _OPEN,
    "retry": _OPEN,
}
_POLICY: Mapping[str, Part] = {
    "name": _LABEL,
    "active": _FLAG,
    "tags": _TAGS,
    "targets": list_of(_TUPLE),
    "permissions": list_of(named("Permission")),
}
_VARIABLE: Part = object_of(
    {
        "key": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$"},
        "value": {"type": ["string", "number", "boolean"]},
    },
    "key",
    "value",
)
_ANALYSIS: Mapping[str, Part] = {
    "name": _LABEL,
    "active": _FLAG,
    "tags": _TAGS,
    "description": {"type": "string", "maxLength": 2000},
    "interval": TEXT,
    "run_on": {"enum": [*RunOn]},
    "file_name": TEXT,
    "runtime": {"enum": [*Runtime]},
    "variables": {**list_of(_VARIABLE), "maxItems": MOST_VARIABLES},
}
_ANALYSIS_BESIDE: Mapping[str, Part] = {
    "token": {"type": ["string", "null"]},
    "version": {"type": ["integer", "null"]},
    "versions": list_of(_OPEN),
    "console": list_of(TEXT),
    "last_run": _MOMENT,
    "last_state": {"enum": [*RunState, None]},
}
_TOKEN: Mapping[str, Part] = {
    "name": _LABEL,
    "kind": {"enum": ["profile", "producer"]},
    "permission": {"enum": ["read", "write", "full"]},
    "actions": list_of(TEXT),
    "expire_time": _MOMENT,
}
_STORED: Mapping[str, Part] = {
    "id": TEXT,
    "profile": TEXT,
    "created_at": _DATE,
    "updated_at": _DATE,
}
# What a client may send back of what it was told; it is ignored.
_READ_ONLY: Mapping[str, Part] = {
    name: {} for name in ("id", "created_at", "updated_at")
}
_CONFIRMATION: Mapping[str, Part] = {
    "ok": _FLAG,
    "message": {"type": ["string", "null"], "maxLength": LONGEST_MESSAGE},
}
_RUN: Mapping[str, Part] = {
    "id": TEXT,
    "analysis": TEXT,
    "run_on": {"enum": [*RunOn]},
    "state": {"enum": [*RunState]},
    "origin": {"enum": [*RunOrigin]},
    "action": _OPTIONAL,
    "trigger": _OPTIONAL,
    "asked_at": _DATE,
    "deadline": _DATE,
    "started_at": _MOMENT,
    "ended_at": _MOMENT,
    "attempts": _COUNT,
    "due": _MOMENT,
    "result": {
        "anyOf": [
            object_of(
                {
                    "sentence": TEXT,
                    "exit_code": {"type": ["integer", "null"]},
                    "duration": {"type": ["number", "null"]},
                    "peak_memory": {"type": ["integer", "null"]},
                    "last_lines": list_of(TEXT),
                }
            ),
            _NOTHING,
        ]
    },
    "confirmed": {"anyOf": [named("RunConfirmed"), _NOTHING]},
}

SCHEMAS: Mapping[str, Part] = {
    "Failure": object_of(
        {"status": {"const": False}, "message": TEXT}, "status", "message"
    ),
    "Tag": object_of({"key": _LABEL, "value": _LABEL}, "key", "value"),
    "Secret": object_of(_SECRET_INFO),
    "SecretCreate": object_of({**_READ_ONLY, **_SECRET}, "key", "value"),
    "SecretEdit": object_of({**_READ_ONLY, **_SECRET}),
    "Action": object_of({**_STORED, **_ACTION, "last_triggered": _MOMENT}),
    "ActionCreate": object_of({**_READ_ONLY, **_ACTION}, "name", "action"),
    "ActionEdit": object_of({**_READ_ONLY, **_ACTION}),
    "Analysis": object_of({**_STORED, **_ANALYSIS, **_ANALYSIS_BESIDE}),
    "AnalysisCreate": object_of({**_READ_ONLY, **_ANALYSIS}, "name"),
    "AnalysisEdit": object_of({**_READ_ONLY, **_ANALYSIS}),
    "Script": object_of(
        {
            "file": {"type": "string", "contentEncoding": "base64"},
            "file_name": TEXT,
            "language": {"enum": [*Runtime]},
        },
        "file",
        "file_name",
    ),
    "RunScope": object_of({"scope": {"anyOf": [_OPEN, list_of(_OPEN), _NOTHING]}}),
    "Run": object_of(_RUN),
    "RunConfirmation": object_of(_CONFIRMATION, "ok"),
    "RunConfirmed": object_of({"at": _DATE, **_CONFIRMATION}),
    "Runs": object_of({"runs": list_of(named("Run")), "next": _OPTIONAL}),
    "Download": object_of(
        {"url": TEXT, "size_unit": TEXT, "size": _COUNT, "expire_at": _DATE}
    ),
    "Permission": object_of(
        {
            "effect": {"enum": ["allow", "deny"]},
            "action": list_of(TEXT),
            "resource": _TUPLE,
        },
        "effect",
        "action",
        "resource",
    ),
    "Policy": object_of({**_STORED, **_POLICY, "rules": {"type": "object"}}),
    "PolicyCreate": object_of(
        {**_READ_ONLY, **_POLICY}, "name", "targets", "permissions"
    ),
    "PolicyEdit": object_of({**_READ_ONLY, **_POLICY}),
    "Token": object_of(
        {
            **_TOKEN,
            "kind": {"enum": ["profile", "producer", "analysis"]},
            "analysis": TEXT,
            "id": TEXT,
            "prefix": TEXT,
            "created_by": TEXT,
            "created_at": _DATE,
            "last_authorization": _MOMENT,
        }
    ),
    "TokenCreate": object_of(_TOKEN, "name"),
}
