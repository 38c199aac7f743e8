"""`keyrelay token`: what programs show to the API; made, listed and revoked."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated

import typer

from keyrelay.cli.columns import instant, own_id, text, word
from keyrelay.cli.options import AsJson, Limit, NameFilter
from keyrelay.cli.output import Document, put, put_document, put_id, say
from keyrelay.cli.pagination import Rows, list_all
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.cli.times import parse_deadline
from keyrelay.cli.token_view import sentence_of, token_document
from keyrelay.cli.unreadable_view import unreadable_line
from keyrelay.model.instant import NEVER, wire_instant
from keyrelay.model.token import TokenKind
from keyrelay.services.naming import find_token
from keyrelay.services.paging import read_pages
from keyrelay.stores.definitions.listing import Listing, Noun, Page
from keyrelay.stores.definitions.token_making import NewToken
from keyrelay.stores.definitions.token_rows import AnyToken, id_of
from keyrelay.stores.last_times import LastTimes
from keyrelay.stores.unreadable import UnreadableRow

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Tokens, with which to use the API.",
)

Permission = Annotated[
    str | None,
    typer.Option(help="read (the default), write or full.", metavar="LEVEL"),
]
Producer = Annotated[
    bool, typer.Option("--producer", help="One that publishes triggers only.")
]
Actions = Annotated[
    list[str] | None,
    typer.Option("--action", help="Of a producer: only to this action; repeatable."),
]
Operator = Annotated[
    bool, typer.Option("--operator", help="One for the whole installation.")
]
Expires = Annotated[
    str, typer.Option(help="2030-01-31T12:00:00Z, or 12h, 90d from now; or never.")
]


@app.command(
    epilog="""\b
Examples:
  keyrelay token create ci --permission write --expires 90d
  TOKEN=$(keyrelay token create dashboard)
  keyrelay token create boiler --producer --action 'too warm'
  keyrelay token create monitoring --operator

The token is printed once, alone on standard output; only a digest of it is kept.


--permission read     reads all of its profile but tokens
--permission write    also changes secrets and actions, publishes, retries, redrives
--permission full     also makes tokens and policies
--producer            publishes triggers, and sees what became of those
--operator            sees how the whole installation does, and no definitions"""
)
def create(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    permission: Permission = None,
    producer: Producer = False,
    action: Actions = None,
    operator: Operator = False,
    expires: Expires = NEVER,
    as_json: AsJson = False,
) -> None:
    """Make a token, and print it, this once."""
    kind = _kind(producer=producer, operator=operator)
    _require_fit(kind, permission, action)

    async def work(session: Session) -> NewToken:
        ids = [await session.action_id(each) for each in action or ()]
        document = {
            "name": name,
            "kind": kind.word,
            "permission": permission,
            "actions": ids or None,
            "expire_time": _expiry(expires, session.world.now()),
        }
        tokens = session.store.definitions.tokens
        return await tokens.create(session.profile.id, document, session.actor)

    _answer(perform(ctx, work), as_json=as_json)


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay token list
  keyrelay token list --name 'ci*' --json

Operator tokens are listed in the profile that they were made in.""",
)
def list_(
    ctx: typer.Context,
    *,
    name: NameFilter = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the tokens of the profile by name, without the tokens themselves."""
    columns = (
        own_id(lambda session: session.store.definitions.tokens.beginning),
        text("name"),
        word("kind"),
        word("permission"),
        word("prefix"),
        text("created_by"),
        instant("last_authorization"),
        instant("expire_time"),
    )
    list_all(ctx, _rows(name), columns, limit, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay token revoke ci
  keyrelay token revoke p-x4Kd92aB"""
)
def revoke(
    ctx: typer.Context,
    *,
    token: Annotated[
        str,
        typer.Argument(metavar="TOKEN", help="Its id, its name or its prefix."),
    ],
    as_json: AsJson = False,
) -> None:
    """Revoke a token, and print its id; within a second it is worth nothing."""

    async def work(session: Session) -> str:
        tokens, profile = session.store.definitions.tokens, session.profile.id
        id_ = await find_token(tokens, profile, token)
        await tokens.revoke(profile, id_, session.actor)
        return id_

    put_id(perform(ctx, work), as_json=as_json)


def _rows(name: str | None) -> Rows:
    async def rows(session: Session, limit: int | None) -> AsyncIterator[Document]:
        store, profile = session.store, session.profile.id
        times, last = LastTimes(database=store.database), dict[str, datetime]()

        async def fetch(page: int, amount: int) -> Sequence[AnyToken]:
            listing = Listing(page=Page(page, amount), name=name)
            found = await store.definitions.tokens.list(profile, listing)
            last.update(await times.read(profile, Noun.TOKEN, [*map(id_of, found)]))
            return found

        async for stored in read_pages(fetch, id_of, limit):
            match stored:
                case UnreadableRow():
                    yield unreadable_line(stored, "name")
                case _:
                    yield token_document(stored, last.get(id_of(stored)))

    return rows


def _kind(*, producer: bool, operator: bool) -> TokenKind:
    if producer and operator:
        raise WrongUsage("give one of --producer and --operator")
    if producer:
        return TokenKind.PRODUCER
    return TokenKind.OPERATOR if operator else TokenKind.PROFILE


def _require_fit(
    kind: TokenKind, permission: str | None, action: Sequence[str] | None
) -> None:
    if permission is not None and kind is not TokenKind.PROFILE:
        raise WrongUsage("--permission is that of a profile token alone")
    if action and kind is not TokenKind.PRODUCER:
        raise WrongUsage("--action is about a token with --producer")


def _expiry(text: str, now: datetime) -> str:
    return text if text == NEVER else wire_instant(parse_deadline(text, now))


def _answer(made: NewToken, *, as_json: bool) -> None:
    if as_json:
        token = made.plaintext.reveal()
        put_document({**token_document(made.stored), "token": token})
        return
    # Alone on standard output, so that `$(keyrelay token create …)` is the token.
    put(made.plaintext.reveal())
    say(sentence_of(made.stored.token))
