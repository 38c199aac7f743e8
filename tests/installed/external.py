"""External runs: a script elsewhere, as it is handed its runs, message by message."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.installed.api import Api
from tests.installed.events import Stream, following

TAGS = [{"key": "team", "value": "north"}]
ALLOW = {
    "name": "north",
    "targets": [["analysis"]],
    "permissions": [
        {
            "effect": "allow",
            "action": ["access"],
            "resource": ["secrets", "tag_match", "team"],
        }
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """An external analysis: its id and its main token."""

    id: str
    token: str


def new_analysis(api: Api, name: str, **more: object) -> External:
    document = {"name": name, "run_on": "external", "tags": TAGS, **more}
    made = api.ask("POST", "/analysis", document)
    return External(id=made.field("id"), token=made.field("token"))


def new_secret(api: Api, key: str, value: str) -> None:
    document = {"key": key, "type": "text", "value": value, "tags": TAGS}
    assert api.ask("POST", "/secrets", document).status < 300


def run(api: Api, analysis: External, scope: object = None) -> str:
    """Ask for a run, and return its id."""
    body = {"scope": scope}
    return api.ask("POST", f"/analysis/{analysis.id}/run", body).field("run")


def shown(api: Api, analysis: External, run: str) -> dict[str, object]:
    found = api.get(f"/analysis/{analysis.id}/runs/{run}").result
    assert isinstance(found, dict)
    return found


@contextmanager
def listening(
    api: Api,
    analysis: External,
    named: str = "channels",
    headers: Mapping[str, str] | None = None,
) -> Iterator[Stream]:
    """Listen for its runs as TagoIO's clients do: Python's says `channel`."""
    script = api.with_token(analysis.token)
    with following(script, "analysis_trigger", headers, named) as stream:
        yield stream
