"""Furnished: one of each thing that routes have ids of, and a good body for each route.

A route that nothing is said of here is asked with an empty object.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from keyrelay.api.route import Route
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store
from keyrelay.services.naming import find_profile
from tests.installed.api import Api
from tests.installed.home import Home

Document = Mapping[str, object]

UNKNOWN: Final = "0" * 24
TAGS: Final = [{"key": "site", "value": "north"}]
PASSWORD: Final = "a password of mail"
SMTP: Final = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "alarms@example.com",
    "password": PASSWORD,
}
SCRIPT: Document = {"file": "cHJpbnQoMSk=", "file_name": "main.py"}
POLICY: Final = {
    "name": "alarms",
    "targets": [["action"]],
    "permissions": [{"effect": "allow", "action": ["access"], "resource": ["secrets"]}],
}

# Of these as many as one likes can be made, by routes.
MADE: Final = ("secrets", "action", "am", "tokens", "triggers")


def noun_of(route: Route) -> str:
    """Return the first part of its path."""
    return route.path.split("/")[1]


def action_for(secret: str) -> Document:
    """Return an action that sends mail with the secret of this id."""
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "s"}
    return {
        "name": "alarm",
        "tags": TAGS,
        "action": {
            "type": "email-smtp",
            **mail,
            "message": "$VALUE$",
            "smtp_secret": secret,
        },
    }


def secret_of(value: object, key: str = "mail") -> Document:
    return {"key": key, "value": value, "tags": TAGS}


def body_of(route: Route, ids: Mapping[str, str], name: str = "new") -> object:
    """Return a body that the route takes; None, where it takes none.

    What must have a name of its own is called `name`.
    """
    good: Mapping[tuple[str, str], Document] = {
        ("POST", "/secrets"): secret_of(SMTP, name),
        ("PUT", "/secrets/{id}"): {"value": SMTP, "tags": TAGS},
        ("POST", "/action"): action_for(ids["secrets"]),
        ("PUT", "/action/{id}"): action_for(ids["secrets"]),
        ("POST", "/action/{id}/preview"): {"data": {"value": 7}},
        ("POST", "/action/preview"): {"action": action_for(ids["secrets"])},
        ("POST", "/analysis"): {"name": name},
        ("PUT", "/analysis/{id}"): {"active": True},
        ("POST", "/analysis/{id}/upload"): SCRIPT,
        ("POST", "/analysis/services/console/send"): {"message": "hello"},
        ("POST", "/analysis/runs/{id}/done"): {"ok": True, "message": "42 rooms"},
        ("POST", "/analysis/services/email-smtp/send"): {
            "to": "b@example.com",
            "subject": "s",
            "message": "m",
            # No name is looked up, and no connection made.
            "smtp_secret": {**SMTP, "smtp_server": "127.0.0.1"},
        },
        ("POST", "/analysis/services/queue-sqs/send"): {
            "sqs_secret": "{}",
            "dataList": [{"value": 7}],
            "batch_enabled": True,
        },
        ("POST", "/am"): POLICY,
        ("POST", "/am/preview"): POLICY,
        ("PUT", "/am/{id}"): POLICY,
        ("POST", "/tokens"): {"name": name, "permission": "read"},
        ("POST", "/triggers"): {"action": ids["action"], "data": {"value": 7}},
        ("POST", "/dead-letters/redrive"): {"action": ids["action"], "rate": 10},
        ("POST", "/dead-letters/drop"): {"action": UNKNOWN},
    }
    if route.method in {"GET", "DELETE"}:
        return None
    return good.get((route.method, route.path), {})


def analysis_token(home: Home) -> str:
    """Make an analysis, and return the value of its token."""
    return asyncio.run(_analysis_token(home))


async def _analysis_token(home: Home) -> str:
    settings = load_settings(None, {"home": home.path})
    async with open_store(settings) as store:
        profile = await find_profile(store.database, settings.profile)
        analyses = store.definitions.analyses
        made = await analyses.documents.create(
            profile.id, {"name": "boiler", "run_on": "external"}, "test"
        )
        return (await analyses.token(profile.id, made.id, "test")).reveal()


def furnish(home: Home, api: Api, value: object = SMTP) -> Mapping[str, str]:
    """Make one of each in the profile of `api`, and return their ids by noun.

    One trigger waits for a worker; another one was attempted, and is buried.
    """
    secret = api.ask("POST", "/secrets", secret_of(value)).field("id")
    made = {"secrets": secret}
    made["action"] = make(api, "action", "alarm", made)
    # No policy releases its secret yet.
    made["dead-letters"] = make(api, "triggers", f"buried-{secret}", made)
    home.run("worker", "--drain")
    for noun in ("triggers", "analysis", "am", "tokens", "jobs"):
        made[noun] = make(api, noun, f"first-{secret}", made)
    api.ask("POST", f"/analysis/{made['analysis']}/upload", SCRIPT)
    records = api.get("/audit?kind=attempt").result
    assert isinstance(records, dict)
    return {**made, "audit": records["records"][0]["id"]}


def make(api: Api, noun: str, name: str, ids: Mapping[str, str]) -> str:
    """Make another one of a noun that can be made, and return its id."""
    action = ids.get("action", UNKNOWN)
    path, body, told = {
        "secrets": ("/secrets", secret_of("a text", name), "id"),
        "action": ("/action", action_for(ids["secrets"]), "action"),
        "analysis": ("/analysis", {"name": name, "run_on": "external"}, "id"),
        "am": ("/am", POLICY, "am_id"),
        "tokens": ("/tokens", {"name": name, "permission": "read"}, "id"),
        "jobs": ("/audit/verify", {}, "id"),
        "triggers": ("/triggers", {"id": name, "action": action}, None),
    }[noun]
    answer = api.ask("POST", path, body)
    assert answer.status < 300, answer
    return name if told is None else answer.field(told)
