"""Consoles: what a script prints elsewhere, sent line by line to its analysis."""

from dataclasses import replace

from keyrelay.api.described import TEXT, described, object_of, path_id
from keyrelay.api.failures import Denied
from keyrelay.api.openapi import TOKEN
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.console import LARGEST_MESSAGE, ConsoleLine, parse_message
from keyrelay.services.console_scrubbing import ConsoleScrubbing


async def send(asked: Asked) -> Answer:
    """Add a message to the console of the analysis whose token it is."""
    document = await asked.body.document(LARGEST_MESSAGE)
    store, analysis = asked.process.store, asked.caller.token.rights.analysis
    line = parse_message(document, store.audit_log.world.now())
    if analysis is None:
        raise Denied
    # It is scrubbed before it is cut: the first half of a value would stay.
    line = replace(line, text=await scrubbed_for(asked, analysis, line.text))
    if not await store.consoles.append(asked.caller.profile, analysis, [line]):
        raise Denied  # it was deleted a moment ago
    return Answer(result="Console Message Successfully Sent")


async def clear(asked: Asked) -> Answer:
    """Remove the lines, but for one that names the token."""
    store, caller = asked.process.store, asked.caller
    said = f"The console was cleared with the token {caller.token.name}."
    line = ConsoleLine(at=store.audit_log.world.now(), text=said)
    await store.consoles.clear(caller.profile, asked.ids["id"], line)
    return Answer(result="Console Successfully Cleared")


async def scrubbed_for(asked: Asked, analysis: str, text: str) -> str:
    """Return a text without values that policies let this analysis access now."""
    process, profile = asked.process, asked.caller.profile
    scrubbing = ConsoleScrubbing(
        vault=process.store.vault,
        catalog=await process.newest_catalog(),
        room=process.intake.console_room,
    )
    token = asked.headers.get(TOKEN, "")
    return await scrubbing.scrub(profile, analysis, token, text)


ROUTES = (
    Route(
        method="POST",
        path="/analysis/services/console/send",
        right=Right.SERVICES,
        answer=send,
        described=described(
            "Add a line to the console of the token's analysis",
            TEXT,
            body=object_of(
                {"message": TEXT, "timestamp": {"type": ["number", "string", "null"]}},
                "message",
            ),
        ),
    ),
    Route(
        method="DELETE",
        path="/analysis/{id}/console",
        right=Right.WRITE,
        answer=clear,
        described=described(
            "Clear the console of an analysis, but for a line that names the token",
            TEXT,
            parameters=[path_id("The id of the analysis.")],
        ),
    ),
)
