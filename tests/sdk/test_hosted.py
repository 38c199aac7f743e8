"""Hosted scripts, written with TagoIO's own clients and not changed for Keyrelay."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.installed.api import Api
from tests.installed.hosting import Analysis, hosting, hosting_apart, new_analysis
from tests.sdk.conftest import NewParts
from tests.sdk.hosted_place import prepared
from tests.sinks.smtp import SmtpSink

POINT = {"variable": "temperature", "value": 9, "unit": "°C"}
PYTHON = """\
from tagoio_sdk import Analysis, Resources
from tagoio_sdk.common.tagoio_module import TagoIOModule
from tagoio_sdk.infrastructure.api_request import TagoIORequestError
from tagoio_sdk.modules.Utils.envToJson import envToJson


def main(context, scope):
    environment = envToJson(context.environment)
    context.log("keys", [each["key"] for each in context.environment])
    context.log("limit", environment["limit"], scope[0]["variable"])
    resources = Resources({"token": context.token})
    print("found", [each["key"] for each in resources.secrets.list()], flush=True)
    try:
        resources.secrets.delete(resources.secrets.list()[0]["id"])
    except TagoIORequestError as refused:
        print("refused", refused.message, flush=True)
    sent = TagoIOModule({"token": context.token}).doRequest({
        "path": "/analysis/services/email-smtp/send",
        "method": "POST",
        "body": {
            "to": "ada@example.com",
            "subject": "from python",
            "message": "9 degrees",
            "smtp_secret": environment["mail"],
        },
    })
    print("sent", sent)


Analysis.use(main)
"""
JAVASCRIPT = """\
const { Analysis, Resources, Services, Utils } = require("@tago-io/sdk");

async function main(context, scope) {
  const environment = Utils.envToJson(context.environment);
  console.log("keys", JSON.stringify(context.environment.map((each) => each.key)));
  await context.log("limit", environment.limit, scope[0].variable);
  const resources = new Resources({ token: context.token });
  const found = await resources.secrets.list();
  console.log("found", JSON.stringify(found.map((each) => each.key)));
  await resources.secrets.delete(found[0].id).catch((refused) => {
    console.log("refused", refused);
  });
  const sent = await new Services({ token: context.token }).smtp.send({
    to: "ada@example.com",
    subject: "from javascript",
    message: "9 degrees",
    smtp_secret: environment.mail,
  });
  console.log("sent", sent);
}

START
"""
ASYNC = """\
from tagoio_sdk import Analysis


async def main(context, scope):
    context.log("never")


Analysis.use(main)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What hosts scripts with both of TagoIO's clients, and where its mails go."""

    api: Api
    mails: SmtpSink


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    new_parts: NewParts,
) -> Iterator[Place]:
    """One process that does all, on embedded parts; on others, API and worker apart."""
    parts = new_parts()
    host = hosting_apart if parts else hosting
    folder = tmp_path_factory.mktemp("hosted")
    languages = ["python", "node"]
    with prepared(folder, request, parts, languages) as made, host(made.home) as api:
        yield Place(api=made.furnish(api), mails=made.mails)


SCRIPTS = {
    "python": (PYTHON, "main.py"),
    "javascript": (JAVASCRIPT.replace("START", "Analysis.use(main);"), "main.js"),
    "javascript, new": (JAVASCRIPT.replace("START", "new Analysis(main);"), "main.js"),
}


def uploaded(place: Place, code: str, name: str) -> Analysis:
    analysis = new_analysis(place.api, variables=[{"key": "limit", "value": 8}])
    analysis.upload(code, name)
    return analysis


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_its_environment_its_scope_and_what_policies_allow(
    place: Place, script: str
) -> None:
    analysis, before = uploaded(place, *SCRIPTS[script]), place.mails.ledger.count()

    ran = analysis.run([POINT])

    told = "\n".join(ran.console)
    assert ran.state == "done", told
    assert json.dumps(["mail", "limit"], separators=(",", ":")) in told.replace(
        "'", '"'
    ).replace(", ", ",")
    assert "limit 8 temperature" in told
    assert "refused Authorization Denied" in told
    assert "sent Successfully Sent" in told
    assert place.mails.ledger.count() == before + 1
    assert ran.console[-1].startswith("The script ended well.")


def test_an_async_function_in_python_is_never_awaited_and_the_console_says_so(
    place: Place,
) -> None:
    ran = uploaded(place, ASYNC, "main.py").run()

    told = "\n".join(ran.console)
    assert ran.state == "done"
    assert "coroutine 'main' was never awaited" in told
    assert "never\n" not in told


def test_a_promise_that_is_rejected_in_javascript_fails_the_run(place: Place) -> None:
    code = """\
        const { Analysis } = require("@tago-io/sdk");
        Analysis.use(async () => { throw new Error("too cold"); });
    """

    ran = uploaded(place, code, "main.js").run()

    assert ran.state == "failed"
    assert "too cold" in "\n".join(ran.console)
    assert "exit code 1" in ran.sentence
