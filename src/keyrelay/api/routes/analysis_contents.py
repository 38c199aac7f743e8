"""Analysis contents: the script of an analysis as text, and the secrets it is given."""

import base64

from keyrelay.api.described import (
    COUNT,
    TEXT,
    asked_for,
    described,
    going_on,
    in_query,
    path_id,
)
from keyrelay.api.failures import BadRequest
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.instant import wire_instant
from keyrelay.services.analysis_secrets import (
    Giving,
    GivingPage,
    analysis_secret_document,
    analysis_secrets,
)

_MOST_VERSIONS = 10**9
_LARGEST_TEXT = 256 * 1024  # bytes of a script that is shown as text
_ID = path_id("The id of the analysis.")


async def show_script(asked: Asked) -> Answer:
    """Answer a version of the script; its text is null where it is none."""
    given = parse_parameters(asked.query, ("version", "file"))
    number = given.number("version", most=_MOST_VERSIONS)
    whole = given.choice("file", ("yes", "no")) == "yes"
    analyses, profile = asked.process.store.definitions.analyses, asked.caller.profile
    version, content = await analyses.script(profile, asked.ids["id"], number)
    return Answer(
        result={
            "version": version.number,
            "file_name": version.file_name,
            "language": version.language,
            "size": version.size,
            "sha256": version.digest,
            "created_at": wire_instant(version.uploaded_at),
            "text": _text(content),
            **({"file": base64.b64encode(content).decode()} if whole else {}),
        }
    )


def _text(content: bytes) -> str | None:
    """Return the content, if an editor can show and keep it."""
    if len(content) > _LARGEST_TEXT or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


async def list_secrets_given(asked: Asked) -> Answer:
    """Answer the secrets in one state, by key: those that runs are given, or not."""
    profile, id_ = asked.caller.profile, asked.ids["id"]
    await asked.process.store.definitions.analyses.documents.get(profile, id_)
    given = parse_parameters(asked.query, (*PAGING, "state"))
    state = given.choice("state", [*Giving])
    if state is None:
        raise BadRequest(f"state must be one of {', '.join(Giving)}")
    page = GivingPage(
        state=Giving(state), amount=given.amount, after=given.text("after")
    )
    catalog = await asked.process.newest_catalog()
    found = await analysis_secrets(catalog, profile, id_, page)
    goes_on = found[-1].key if len(found) == page.amount else None
    secrets = [*map(analysis_secret_document, found)]
    return Answer(result={"secrets": secrets, "next": goes_on})


ROUTES = (
    Route(
        method="GET",
        path="/analysis/{id}/script",
        right=Right.WRITE,
        answer=show_script,
        described=described(
            "Show a version of the script of an analysis, as text where it is one",
            {"type": "object"},
            parameters=[
                _ID,
                in_query(
                    "version", COUNT, "Which version; left out, the one that runs."
                ),
                in_query("file", {"enum": ["yes", "no"]}, "With its bytes as `file`."),
            ],
        ),
    ),
    Route(
        method="GET",
        path="/analysis/{id}/secrets",
        right=Right.READ,
        answer=list_secrets_given,
        described=described(
            "List the secrets that an analysis is given or not, and by which policy",
            {"type": "object"},
            parameters=[
                _ID,
                asked_for(
                    "state", {**TEXT, "enum": [*Giving]}, "What becomes of them."
                ),
                *going_on({}),
            ],
        ),
    ),
)
