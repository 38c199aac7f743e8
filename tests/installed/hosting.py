"""Hosting: processes with a wall, and analyses that are run by them."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from textwrap import dedent

from tests.installed.api import Answer, Api, answering
from tests.installed.home import Home
from tests.services import deadline
from tests.services.loopback import free_port

WITHIN = timedelta(seconds=60)
PYTHON, NODE = "python-rt2025", "node-rt2025"
RELEASE: Mapping[str, object] = {
    "name": "scripts read secrets",
    "targets": [["analysis"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that is over, and the console of its analysis then."""

    document: Mapping[str, object]
    console: Sequence[str]

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def state(self) -> object:
        return self.document["state"]

    @property
    def sentence(self) -> str:
        result = self.document["result"]
        assert isinstance(result, dict), self.document
        return str(result["sentence"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An analysis whose runs are hosted, as a person with `api`'s token sees it."""

    id: str
    api: Api

    def upload(self, code: str | bytes, name: str = "main.py") -> None:
        """Keep a script; one in JavaScript has a name that ends so."""
        content = code if isinstance(code, bytes) else dedent(code).encode()
        language = NODE if name.endswith((".js", ".node.tar.gz")) else PYTHON
        body = {
            "file": base64.b64encode(content).decode(),
            "file_name": name,
            "language": language,
        }
        done(self.api.ask("POST", f"/analysis/{self.id}/upload", body))

    def edit(self, **changes: object) -> None:
        done(self.api.ask("PUT", f"/analysis/{self.id}", changes))

    def ask(self, scope: object = None) -> Mapping[str, object]:
        """Ask for a run, and return the answer: its id and its own token."""
        return result(
            self.api.ask("POST", f"/analysis/{self.id}/run", {"scope": scope})
        )

    def run(self, scope: object = None) -> Ran:
        return self.ended(str(self.ask(scope)["run"]))

    def ended(self, run: str) -> Ran:
        """Return a run once it is over."""

        def is_over() -> bool:
            return self.look(run)["state"] in {"done", "failed"}

        assert deadline.met(is_over, WITHIN), self.look(run)
        return Ran(document=self.look(run), console=self.console)

    def look(self, run: str) -> Mapping[str, object]:
        return result(self.api.get(f"/analysis/{self.id}/runs/{run}"))

    @property
    def console(self) -> Sequence[str]:
        lines = result(self.api.get(f"/analysis/{self.id}"))["console"]
        assert isinstance(lines, list)
        return lines

    def through(self, api: Api) -> "Analysis":
        """Return the same one as another process shows it."""
        return Analysis(id=self.id, api=api.with_token(self.api.token))


def new_analysis(api: Api, code: str | None = None, **fields: object) -> Analysis:
    """Make an analysis, for Python, and keep its script if one is given."""
    document = {"name": "cold rooms", "runtime": PYTHON, **fields}
    made = Analysis(
        id=str(result(api.ask("POST", "/analysis", document))["id"]), api=api
    )
    if code is not None:
        made.upload(code)
    return made


def new_secret(
    api: Api, key: str, value: object = "value", type_: str = "text", **tags: str
) -> str:
    """Make a secret, and return its id."""
    document = {
        "key": key,
        "type": type_,
        "value": value,
        "tags": [{"key": k, "value": v} for k, v in (tags or {"env": "test"}).items()],
    }
    return str(result(api.ask("POST", "/secrets", document))["id"])


def new_policy(api: Api, document: Mapping[str, object] = RELEASE) -> str:
    return str(result(api.ask("POST", "/am", document))["am_id"])


def done(answer: Answer) -> Answer:
    assert answer.status == 200, answer.document
    return answer


def result(answer: Answer) -> Mapping[str, object]:
    found = done(answer).result
    assert isinstance(found, dict), answer.document
    return found


@contextmanager
def hosting(home: Home) -> Iterator[Api]:
    """Run `keyrelay up` where scripts reach it."""
    at = {"KEYRELAY_API": f"127.0.0.1:{free_port()}"}
    with answering(home.under(at), "up") as api:
        yield api


@contextmanager
def hosting_apart(home: Home, workers: int = 1) -> Iterator[Api]:
    """Run the API in a process that hosts nothing, and workers that do beside it."""
    with ExitStack() as stack:
        api = stack.enter_context(answering(home))
        settings = {
            "KEYRELAY_ANALYSES": "hosted",
            "KEYRELAY_API_URL": api.url,
            "KEYRELAY_PROBES": "off",
        }
        begun = [
            stack.enter_context(home.under(settings).running("worker"))
            for _ in range(workers)
        ]
        for worker in begun:
            worker.await_said("worker started")
        yield api
