"""Tokens: shown once, kept as digests, each within its profile."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.ids import Beginnings
from keyrelay.model.token import AccessLevel, TokenKind, TokenRights
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.definitions.listing import Listing, Order, Page
from keyrelay.stores.definitions.token_rows import (
    AnyToken,
    StoredToken,
    digest_of,
    id_of,
    name_of,
)
from keyrelay.stores.definitions.tokens import TokenStore
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.unreadable import UnreadableRow
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import ADA, House, mail_action
from tests.samples import NOON, OTHER_PROFILE, PROFILE

EVERYTHING = Listing(page=Page(amount=100))
CI: dict[str, object] = {"name": "ci", "permission": "full"}


def names_of(those: Sequence[AnyToken]) -> list[str]:
    return [name_of(each) for each in those]


def routed(house: House) -> TokenStore:
    return replace(house.tokens, kinds=(TokenKind.PROFILE, TokenKind.PRODUCER))


async def new_token(house: House, name: str = "ci", kind: str = "profile") -> str:
    document = {"name": name, "kind": kind}
    return (await house.tokens.create(PROFILE, document, ADA)).stored.token.id


async def test_a_token_is_kept_as_it_was_asked_for(house: House) -> None:
    made = await house.tokens.create(
        PROFILE, {**CI, "expire_time": "2031-01-01T00:00:00Z"}, ADA
    )

    stored = await house.tokens.get(PROFILE, made.stored.token.id)

    assert stored == made.stored
    assert isinstance(stored, StoredToken)
    assert stored.created_by == ADA
    assert stored.created_at == NOON
    assert stored.token.name == "ci"
    assert stored.token.rights == TokenRights(
        kind=TokenKind.PROFILE, level=AccessLevel.FULL
    )
    assert made.plaintext.reveal().startswith(stored.token.prefix)
    assert await house.tokens.list(PROFILE, EVERYTHING) == (stored,)


async def test_no_two_tokens_are_alike(house: House) -> None:
    made = [await house.tokens.create(PROFILE, CI, ADA) for _ in range(20)]

    assert len({each.plaintext.reveal() for each in made}) == 20
    assert len({each.stored.token.id for each in made}) == 20


async def test_the_plaintext_is_in_no_row_of_the_database(house: House) -> None:
    made = await house.tokens.create(PROFILE, CI, ADA)
    whole = made.plaintext.reveal()

    rest = whole.removeprefix(made.stored.token.prefix)
    for table in ("tokens", "audit_records", "definition_entries", "changes"):
        rows = await house.look(f"SELECT * FROM {table}")  # noqa: S608
        assert rows
        assert rest not in repr(rows)
        assert whole.encode().hex() not in repr(rows)


async def test_what_is_kept_is_a_digest_under_a_key_of_the_vault(house: House) -> None:
    made = await house.tokens.create(PROFILE, CI, ADA)

    digest = await digest_of(house.audit_log.vault, made.plaintext.reveal())
    authenticate = await house.audit_log.vault.authenticator("tokens")

    assert await house.look("SELECT digest FROM tokens") == [(digest,)]
    assert digest == authenticate(made.plaintext.reveal().encode())
    found = await house.audit_log.vault.authenticator("definitions")
    assert digest != found(made.plaintext.reveal().encode())


async def test_each_change_leaves_a_record_without_the_plaintext(house: House) -> None:
    made = await house.tokens.create(PROFILE, CI, ADA)
    token = made.stored.token
    await house.tokens.revoke(PROFILE, token.id, "eve")

    deleted, created, *_ = await house.trail.list(PROFILE, AuditQuery(kind="change"))

    for record, change, actor in (
        (created, "created", ADA),
        (deleted, "deleted", "eve"),
    ):
        facts = {name: record.document[name] for name in ("change", "actor", "subject")}
        assert facts == {"change": change, "actor": actor, "subject": token.id}
        assert record.document["noun"] == "token"
        assert record.document["detail"] == f"ci: profile, full, {token.prefix}"


async def test_what_belongs_to_a_profile_is_not_there_for_another(house: House) -> None:
    id_ = await new_token(house)

    with pytest.raises(NotFound, match=f"there is no token {id_}"):
        await house.tokens.get(OTHER_PROFILE, id_)
    with pytest.raises(NotFound):
        await house.tokens.revoke(OTHER_PROFILE, id_, ADA)
    assert await house.tokens.list(OTHER_PROFILE, EVERYTHING) == ()
    assert await house.tokens.called(OTHER_PROFILE, "ci") == []
    found = await house.tokens.beginning(OTHER_PROFILE, Beginnings((id_[:8],), 9))
    assert found == []
    assert len(await house.tokens.list(PROFILE, EVERYTHING)) == 1


async def test_a_revoked_token_is_gone(house: House) -> None:
    id_ = await new_token(house)

    await house.tokens.revoke(PROFILE, id_, ADA)

    with pytest.raises(NotFound):
        await house.tokens.get(PROFILE, id_)
    with pytest.raises(NotFound):
        await house.tokens.revoke(PROFILE, id_, ADA)


async def test_tokens_are_listed_by_name_a_page_at_a_time(house: House) -> None:
    for name in ("Boiler", "attic", "cellar"):
        await new_token(house, name)

    async def listed(listing: Listing) -> list[str]:
        return names_of(await house.tokens.list(PROFILE, listing))

    assert await listed(EVERYTHING) == ["attic", "Boiler", "cellar"]
    assert await listed(Listing(page=Page(2, 1))) == ["Boiler"]
    assert await listed(Listing(name="*l*", order=Order(descending=True))) == [
        "cellar",
        "Boiler",
    ]
    by_time = await listed(Listing(order=Order(by="created_at")))
    assert set(by_time) == {"attic", "Boiler", "cellar"}
    with pytest.raises(InvalidDefinition, match="order must be one of"):
        await listed(Listing(order=Order(by="digest")))


async def test_tokens_are_found_by_name_prefix_and_beginning_of_the_id(
    house: House,
) -> None:
    made = await house.tokens.create(PROFILE, CI, ADA)
    token = made.stored.token
    await new_token(house, "other")

    for text in ("ci", token.prefix, made.plaintext.reveal()):
        assert await house.tokens.called(PROFILE, text) == [token.id]
    assert await house.tokens.called(PROFILE, "c") == []
    assert token.id in await house.tokens.beginning(
        PROFILE, Beginnings((token.id[:20],), 9)
    )


async def test_a_producer_token_names_actions_that_are_there(house: House) -> None:
    secret = await house.new_secret()
    action = (await house.actions.create(PROFILE, mail_action(secret), ADA)).id
    document = {"name": "boiler", "kind": "producer"}

    made = await house.tokens.create(PROFILE, {**document, "actions": [action]}, ADA)

    assert made.stored.token.rights.actions == frozenset({action})
    with pytest.raises(InvalidDefinition, match=f"there is no action {action}"):
        await house.tokens.create(OTHER_PROFILE, {**document, "actions": [action]}, ADA)


async def test_a_token_that_would_be_expired_is_not_made(house: House) -> None:
    with pytest.raises(InvalidDefinition, match="has passed"):
        await house.tokens.create(
            PROFILE, {**CI, "expire_time": "2001-01-01T00:00:00Z"}, ADA
        )

    assert await house.tokens.list(PROFILE, EVERYTHING) == ()


async def test_what_was_shown_of_a_token_can_be_sent_back(house: House) -> None:
    shown: dict[str, object] = {"id": "x", "prefix": "p-", "created_by": "eve", **CI}

    made = await house.tokens.create(PROFILE, shown, ADA)

    assert made.stored.created_by == ADA


async def test_a_store_without_operator_tokens_neither_makes_nor_shows_them(
    house: House,
) -> None:
    operator = await new_token(house, "watch", "operator")
    await new_token(house, "ci")
    narrow = routed(house)

    with pytest.raises(InvalidDefinition, match="operator tokens are made by"):
        await narrow.create(PROFILE, {"name": "more", "kind": "operator"}, ADA)
    with pytest.raises(NotFound):
        await narrow.get(PROFILE, operator)
    with pytest.raises(NotFound):
        await narrow.revoke(PROFILE, operator, ADA)
    assert await narrow.called(PROFILE, "watch") == []
    assert names_of(await narrow.list(PROFILE, EVERYTHING)) == ["ci"]
    assert names_of(await house.tokens.list(PROFILE, EVERYTHING)) == ["ci", "watch"]


@on_sqlite
async def test_a_row_that_cannot_be_read_hides_no_others_and_can_be_revoked(
    house: House,
) -> None:
    id_ = await new_token(house, "broken")
    await new_token(house)
    await house.break_in(
        f"UPDATE tokens SET document = '{{}} {{' WHERE id = '{id_}'"  # noqa: S608
    )

    broken, whole = await house.tokens.list(PROFILE, EVERYTHING)

    assert isinstance(broken, UnreadableRow)
    assert (id_of(broken), name_of(broken)) == (id_, "broken")
    assert name_of(whole) == "ci"
    assert id_of(whole) != id_
    await house.tokens.revoke(PROFILE, id_, ADA)
    assert names_of(await house.tokens.list(PROFILE, EVERYTHING)) == ["ci"]


async def test_while_the_vault_is_sealed_no_token_is_made(house: House) -> None:
    vault = house.audit_log.vault
    sealed = replace(vault, keyring=replace(vault.keyring, provider=_no_key))
    journal = replace(house.journal, audit_log=replace(house.audit_log, vault=sealed))

    with pytest.raises(Unavailable):
        await replace(house.tokens, journal=journal).create(PROFILE, CI, ADA)


def _no_key() -> NoReturn:
    raise Unavailable("the key is gone")
