"""Hosted place: a home whose runtimes hold TagoIO's clients, and where mails go."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.script.registry import Registry, serving
from tests.e2e.mails import smtp_secret
from tests.installed.api import Api, token_of
from tests.installed.home import Home
from tests.installed.hosting import new_policy, new_secret
from tests.sdk.conftest import home_on
from tests.services import debian
from tests.sinks import smtp
from tests.sinks.smtp import SmtpSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    home: Home
    mails: SmtpSink

    def furnish(self, api: Api) -> Api:
        """Keep secrets for scripts, permit them, and return the API with a token."""
        api = api.with_token(token_of(self.home, "full"))
        at, account = self.mails.address, self.mails.address.account
        value = smtp_secret(at.port, account.username, account.password)
        new_secret(api, "mail", value, "smtp")
        new_secret(api, "limit", "too warm", env="other")
        new_policy(api)
        return api


@contextmanager
def prepared(
    folder: Path,
    request: pytest.FixtureRequest,
    parts: Mapping[str, str],
    languages: Sequence[str],
) -> Iterator[Prepared]:
    """Give a new home on these parts, with a runtime for each language."""
    request.getfixturevalue("bwrap")
    with ExitStack() as stack:
        certificate = request.getfixturevalue("server_certificate")
        mails = stack.enter_context(
            smtp.running(folder / "mails", certificate=certificate)
        )
        settings = {
            "KEYRELAY_SMTP_CA_FILE": str(request.getfixturevalue("ca_file")),
            "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
            "KEYRELAY_SMTP_PORTS": str(mails.address.port),
            "NO_PROXY": "*",
        }
        home = home_on(folder / "home", {**parts, **settings})
        with serving() as registry:
            for language in languages:
                _ADDS[language](registry, request)
                home.under(registry.variables).run("runtime", "prepare", language)
        yield Prepared(home=home, mails=mails)


def _add_python(registry: Registry, request: pytest.FixtureRequest) -> None:
    registry.add_wheels(request.getfixturevalue("python_sdk"))


def _add_node(registry: Registry, request: pytest.FixtureRequest) -> None:
    debian.install("npm", package="npm")
    registry.add_modules(request.getfixturevalue("javascript_sdk") / "node_modules")


_ADDS = {"python": _add_python, "node": _add_node}
