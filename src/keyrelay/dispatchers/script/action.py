"""The action `script`: its document, read strictly into what it runs."""

import json
from collections.abc import Mapping

from keyrelay.model.action import Message, MessagePreview
from keyrelay.model.documents import InvalidDefinition, require_list
from keyrelay.model.fields import Field
from keyrelay.model.ids import is_id
from keyrelay.model.run_analyses import MOST_ANALYSES, RunAnalyses, WantedRuns

FIELDS = (
    Field(
        name="script",
        description="The ids of the analyses that are run, up to ten.",
        schema={
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": MOST_ANALYSES,
        },
    ),
)


def parse_script(document: Mapping[str, object]) -> RunAnalyses:
    """Read TagoIO's `script`, or raise InvalidDefinition."""
    entries = require_list(document.get("script"), "script", longest=MOST_ANALYSES)
    ids = tuple(each for each in entries if isinstance(each, str) and is_id(each))
    if not ids or len(ids) != len(entries):
        raise InvalidDefinition(
            "script is a list of analyses' 24-character ids, at least one"
        )
    if len({*ids}) != len(ids):
        raise InvalidDefinition("script must not name an analysis twice")
    return RunAnalyses(analyses=ids)


def preview_runs(message: Message, *, fifo: bool) -> MessagePreview:
    """Return which analyses would be run, and with which scope."""
    assert isinstance(message, WantedRuns)
    assert not fifo
    scope = json.loads(message.scope)
    return MessagePreview(document={"analyses": [*message.analyses], "scope": scope})
