"""Rights: the table of docs/rights.md, made of the routes themselves.

python -m tests.rights        writes it anew
"""

from pathlib import Path

from keyrelay.api.rights import has
from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from keyrelay.model.token import AccessLevel, TokenKind, TokenRights

PAGE = Path(__file__).parents[1] / "docs" / "rights.md"
HEAD = """# Which token may call which route

`keyrelay token create` makes tokens, but for those of analyses, which are made with
them; `docs/api.md` says what each kind is for. A dot means that the route answers a
token of that kind; every other token is answered `401 Authorization Denied`, as one
that does not exist is. What a token of a profile sees, counts or changes is of its
profile alone.

In the column of analyses a word and a kind stand for what policies must allow the
analysis (`docs/policies.md`): of a list it is shown as much as they allow, and all else
that they do not allow is denied.

This page is written by `python -m tests.rights`, from the table that the API obeys.

"""
KINDS = {
    "read": TokenRights(kind=TokenKind.PROFILE, level=AccessLevel.READ),
    "write": TokenRights(kind=TokenKind.PROFILE, level=AccessLevel.WRITE),
    "full": TokenRights(kind=TokenKind.PROFILE, level=AccessLevel.FULL),
    "producer": TokenRights(kind=TokenKind.PRODUCER),
    "operator": TokenRights(kind=TokenKind.OPERATOR),
    "analysis": TokenRights(kind=TokenKind.ANALYSIS, analysis="0" * 24),
}


def page() -> str:
    """Return the page as it should stand."""
    columns = ["route", *KINDS]
    rows = [
        [f"`{route.method} {route.path}`"]
        + [_cell(route, rights) for rights in KINDS.values()]
        for route in ROUTES
    ]
    lines = [columns, ["---"] + [":-:"] * len(KINDS), *rows]
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(route: Route, rights: TokenRights) -> str:
    if has(rights, route.right):
        return "•"
    if route.governed is None or not route.admits(rights):
        return ""
    return f"`{route.governed.verb}` {route.governed.kind or 'of the kind'}"


if __name__ == "__main__":
    PAGE.write_text(page())
