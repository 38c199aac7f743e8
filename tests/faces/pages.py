"""Pages: the addresses of all pages that the console has, and what stands in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from keyrelay.console.pages import PAGES
from keyrelay.console.visit import PageRoute
from tests.e2e.api.furnished import SMTP, furnish
from tests.e2e.console.site import Site

Ids = Mapping[str, str]

# Inert wherever a page shows it, and longer than what stands in one line.
CANARY: Final = (
    "\"><img src=x onerror=alert(1)>'</script><script>alert(2)</script>{{7*7}}"
)
# By the first part of a page's path: the noun of the API whose ids stand in it.
_NOUNS: Final = {"access": "am", "actions": "action", "analyses": "analysis"}
# What stands elsewhere in braces.
_OTHERS: Final = {"version": "1"}
# What a browser keeps as a file, or goes on reading.
_NO_PAGES: Final = ("{version}", "download", "export", "events", "data", "file")
_MISSING: Final = (f"/secrets/{'0' * 24}", "/no-such-page")
# Pages that look otherwise by what stands in their address.
_VARIANTS: Final = (
    "/secrets?key=nothing-is-called-so",
    "/secrets?order=key,desc&tag=site%3Dnorth",
    "/secrets/new?type=smtp",
    "/secrets/new?type=aws-sqs",
    "/secrets/{id}?said=saved",
    "/actions?name=nothing-is-called-so",
    "/triggers?state=retrying",
    "/audit?kind=change",
    *_MISSING,
)


def paths() -> list[str]:
    """Return the paths of all pages, with ids in braces."""
    shown = [each for each in PAGES if isinstance(each, PageRoute)]
    found = dict.fromkeys(page.path for page in shown if page.method == "GET")
    pages = [path for path in found if path.rsplit("/", 1)[-1] not in _NO_PAGES]
    return ["/sign-in", *pages, *(each for each in _VARIANTS if _is_there(each, pages))]


def lists() -> list[str]:
    """Return the paths of the pages that show a profile in which nothing is."""
    return [path for path in paths() if "{" not in path and "?" not in path]


def expected_status(address: str) -> int:
    """Return the status of a page that is as it should be."""
    return 404 if address.startswith(_MISSING) else 200


def _is_there(variant: str, pages: list[str]) -> bool:
    return variant in _MISSING or variant.partition("?")[0] in pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """A site with one of each thing, by its noun, and several with canaries."""

    site: Site
    ids: Ids

    def address(self, path: str) -> str:
        """Return the path with ids in the place of braces."""
        noun = path.split("/")[1]
        for name, id_ in {**_OTHERS, "id": self._id(noun)}.items():
            path = path.replace(f"{{{name}}}", id_)
        assert "{" not in path, f"tell in tests/faces/pages.py what stands in {path}"
        return path

    def _id(self, noun: str) -> str:
        return self.ids.get(_NOUNS.get(noun, noun), "0" * 24)


def furnished(site: Site) -> Furnished:
    ids = furnish(site.home, site.api)
    for path, document in _canaries(ids):
        answer = site.api.ask("POST", path, document)
        assert answer.status < 300, (path, answer)
    site.home.run("worker", "--drain")
    return Furnished(site=site, ids=ids)


def _canaries(ids: Ids) -> Iterator[tuple[str, object]]:
    tags = [{"key": CANARY[:60], "value": CANARY}]
    yield "/secrets", {"key": "canary" + "y" * 80, "value": SMTP, "tags": tags}
    yield "/analysis", {"name": CANARY, "run_on": "external", "tags": tags}
    yield (
        "/action",
        {
            "name": CANARY,
            "tags": tags,
            "action": {
                "type": "email-smtp",
                "from": "a@example.com",
                "to": "b@example.com",
                "subject": CANARY,
                "message": CANARY,
                "smtp_secret": ids["secrets"],
            },
        },
    )
    yield (
        "/am",
        {
            "name": CANARY,
            "targets": [["action", "tag_match", CANARY[:60]]],
            "permissions": [
                {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
            ],
        },
    )
    yield "/tokens", {"name": CANARY, "permission": "read"}
    data = {"variable": CANARY, "value": CANARY}
    yield "/triggers", {"id": "canary", "action": ids["action"], "data": data}
