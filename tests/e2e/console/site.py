"""Site: the console as a browser without scripts asks for it."""

import signal
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import httpx

from tests.e2e.console.markup import Form, Markup, filled, read
from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home
from tests.installed.together import together

ROOT = "/console"
LEVELS = ("full", "write", "read")
COOKIE = "keyrelay-session"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What was answered last, after the way there was followed."""

    visitor: "Visitor"
    answer: httpx.Response

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def html(self) -> str:
        return self.answer.text

    @property
    def path(self) -> str:
        """Its path and query below the console, without what it says first."""
        url = urlsplit(str(self.answer.url))
        query = "&".join(
            each for each in url.query.split("&") if not each.startswith("said=")
        )
        path = url.path.removeprefix(ROOT)
        return f"{path}?{query}" if query else path

    @cached_property
    def markup(self) -> Markup:
        return read(self.html)

    @property
    def text(self) -> str:
        """All that is seen of it, with single spaces."""
        return self.markup.text

    @property
    def links(self) -> Sequence[str]:
        """The addresses that it links to."""
        return [address for address, _ in self.markup.links]

    @property
    def last_id(self) -> str:
        """The id at the end of its path."""
        return self.path.partition("?")[0].rsplit("/", 1)[-1]

    def has_form(self, path: str) -> bool:
        return any(self._goes_to(form, path) for form in self.markup.forms)

    def form(self, path: str) -> Form:
        """Return the form that is sent to this path below the console."""
        found = [form for form in self.markup.forms if self._goes_to(form, path)]
        assert found, (
            f"no form for {path}: {[form.action for form in self.markup.forms]}"
        )
        return found[0]

    def _goes_to(self, form: Form, path: str) -> bool:
        """A form without an action is sent to the page that it stands on.

        That of a dialog is sent nowhere.
        """
        is_sent = form.method != "dialog"
        return (
            is_sent
            and (form.action or ROOT + self.path.partition("?")[0]) == f"{ROOT}{path}"
        )

    def submit(self, path: str, **typed: str | Sequence[str]) -> "Page":
        """Fill in the form that is sent to this path, and send it.

        A name that is a word of Python ends with `_`; fields that are not named are
        sent as the page has them.
        """
        form = self.form(path)
        by_name = {name.rstrip("_"): text for name, text in typed.items()}
        missing = by_name.keys() - form.names
        assert not missing, f"the form for {path} has no {missing}: {form.names}"
        pairs = [*filled(form, by_name)]
        if form.method == "get":
            return self.visitor.get(f"{path}?{urlencode(pairs)}")
        return self.visitor.post(path, pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A home, and the values of its tokens of each level."""

    home: Home
    tokens: Mapping[str, str]

    def copied(self, path: Path) -> "Prepared":
        return Prepared(home=self.home.copied(path), tokens=self.tokens)


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """One browser; all paths are those below the console."""

    client: httpx.Client

    def get(self, path: str) -> Page:
        answer = self.client.get(f"{ROOT}{path}", headers={"Accept": "text/html"})
        return Page(visitor=self, answer=answer)

    def post(
        self,
        path: str,
        pairs: Sequence[tuple[str, str]],
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool = True,
    ) -> Page:
        """Send a form as a browser does."""
        return self.send(path, urlencode(pairs).encode(), headers, follow=follow)

    def send(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool = True,
    ) -> Page:
        """Send these very bytes as a form."""
        told = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": str(self.client.base_url).rstrip("/"),
            **(headers or {}),
        }
        answer = self.client.post(
            f"{ROOT}{path}", content=body, headers=told, follow_redirects=follow
        )
        return Page(visitor=self, answer=answer)

    def sign_in(self, token: str, next_: str = "") -> Page:
        asked = self.get(f"/sign-in?next={quote(next_)}")
        return asked.submit("/sign-in", token=token)

    @property
    def cookie(self) -> str:
        """The value of the session's cookie; "" for none."""
        return self.client.cookies.get(COOKIE) or ""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running process; `tokens` are values of profile tokens by their levels.

    `api` asks the same process as a program, with the full one. `ca_file` is what its
    browsers trust.
    """

    home: Home
    api: Api
    tokens: Mapping[str, str]
    ca_file: Path | None = None
    opened: list[httpx.Client] = field(default_factory=list)

    def visitor(self) -> Visitor:
        """Return a new browser, in which nobody is signed in."""
        trusted = self.ca_file and ssl.create_default_context(cafile=self.ca_file)
        client = httpx.Client(
            base_url=self.api.url,
            timeout=30,
            trust_env=False,
            follow_redirects=True,
            verify=trusted or True,
        )
        self.opened.append(client)
        return Visitor(client=client)

    def signed_in(self, level: str = "full") -> Visitor:
        """Return a new browser, signed in with the token of this level."""
        visitor = self.visitor()
        visitor.sign_in(self.tokens[level])
        assert visitor.cookie, "signing in began no session"
        return visitor

    def close(self) -> None:
        for client in self.opened:
            client.close()


def with_tokens(home: Home) -> Prepared:
    """Make a token of each level in a home that was set up."""
    values = together(partial(token_of, home, level) for level in LEVELS)
    return Prepared(home=home, tokens=dict(zip(LEVELS, values, strict=True)))


def founded(path: Path, ca_file: Path) -> Prepared:
    """Set up a home at this path, which may send mail to this machine."""
    settings = {
        "KEYRELAY_SMTP_CA_FILE": str(ca_file),
        "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
    }
    home = Home(path=path, settings=settings)
    home.run("init", "--no-token")
    return with_tokens(home)


@contextmanager
def serving(prepared: Prepared) -> Iterator[Site]:
    """Run `keyrelay api` in this home; at the end it is asked to stop, and does."""
    with answering(prepared.home) as running:
        api = running.with_token(prepared.tokens["full"])
        site = Site(home=prepared.home, api=api, tokens=prepared.tokens)
        try:
            yield site
        finally:
            site.close()
        running.command.send(signal.SIGTERM)
        assert running.command.end() == 0
