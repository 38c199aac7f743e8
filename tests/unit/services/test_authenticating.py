"""Authenticating: what a program shows is a token that counts, or nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from keyrelay.concurrency.gathering import Gathered
from keyrelay.model.token import Token
from keyrelay.ports import Unavailable
from keyrelay.services.authenticating import Authenticating
from keyrelay.stores.definitions.live_catalog import STALE, LiveCatalog
from keyrelay.stores.definitions.token_rows import digest_of
from tests.contract.stores.house import ADA, House
from tests.contract.stores.plans import counted
from tests.fakes import settled
from tests.samples import ACTIONS, NOON, PROFILE


@dataclass
class Uses:
    noted: list[tuple[str, datetime]] = field(default_factory=list)

    def note(self, token: Token, at: datetime) -> None:
        self.noted.append((token.name, at))


@pytest.fixture
def uses() -> Uses:
    return Uses()


@pytest.fixture
def authenticating(house: House, uses: Uses) -> Authenticating:
    return Authenticating(
        catalog=house.catalog.current,
        refresh=house.catalog.refresh,
        digest=partial(digest_of, house.audit_log.vault),
        now=house.clock.now,
        note_use=uses.note,
    )


async def new_token(house: House, **document: object) -> tuple[Token, str]:
    made = await house.tokens.create(PROFILE, {"name": "ci", **document}, ADA)
    await house.catalog.refresh()
    return made.stored.token, made.plaintext.reveal()


async def test_a_token_is_taken_by_its_plaintext(
    house: House, authenticating: Authenticating, uses: Uses
) -> None:
    token, plaintext = await new_token(house, permission="write")
    await new_token(house)

    assert await authenticating.authenticate(plaintext) == token
    assert uses.noted == [("ci", NOON)]


async def test_a_token_that_was_made_a_moment_ago_is_taken(
    house: House, authenticating: Authenticating
) -> None:
    await house.catalog.refresh()
    made = await house.tokens.create(PROFILE, {"name": "new"}, ADA)

    taken = await authenticating.authenticate(made.plaintext.reveal())

    assert taken == made.stored.token


def wrong(plaintext: str) -> Sequence[str]:
    """Return texts that are nearly the plaintext, and some that are not at all."""
    return (
        "",
        plaintext[:-1],
        plaintext + "A",
        plaintext.swapcase(),
        f" {plaintext}",
        f"{plaintext}\n",
        "o" + plaintext[1:],
        plaintext[:-1] + ("A" if plaintext[-1] != "A" else "B"),
        "\ud800",
        "é" * 38,
        "p-" + "A" * 100_000,
    )


async def test_nothing_else_is(
    house: House, authenticating: Authenticating, uses: Uses
) -> None:
    token, plaintext = await new_token(house)

    for text in (*wrong(plaintext), token.id, token.prefix, token.name):
        assert await authenticating.authenticate(text) is None
    assert uses.noted == []


async def test_a_token_is_not_taken_from_the_instant_on_at_which_it_expires(
    house: House, authenticating: Authenticating
) -> None:
    ends = NOON + timedelta(seconds=2)
    token, plaintext = await new_token(house, expire_time=ends.isoformat())

    assert await authenticating.authenticate(plaintext) == token
    house.clock.advance(timedelta(seconds=2))
    assert await authenticating.authenticate(plaintext) is None


async def test_a_revoked_token_is_not_taken_after_the_next_refresh(
    house: House, authenticating: Authenticating
) -> None:
    token, plaintext = await new_token(house)

    await house.tokens.revoke(PROFILE, token.id, ADA)
    await house.catalog.refresh()

    assert await authenticating.authenticate(plaintext) is None
    assert house.catalog.current().tokens == {}


async def forge(house: House, statement: str) -> None:
    """Alter the database by hand, and have running processes read it again."""
    await house.break_in(
        statement,
        "UPDATE installation SET revision = revision + 1",
        "INSERT INTO changes SELECT revision, 'token', tokens.profile, tokens.id"
        " FROM installation, tokens LIMIT 1",
    )
    await house.catalog.refresh()


async def test_a_token_with_an_edited_row_is_not_taken(
    house: House, authenticating: Authenticating
) -> None:
    _, plaintext = await new_token(house)
    assert await authenticating.authenticate(plaintext) is not None

    await forge(house, "UPDATE tokens SET document = replace(document, 'read', 'full')")

    assert await authenticating.authenticate(plaintext) is None


async def test_a_token_with_another_digest_in_its_row_is_not_taken(
    house: House, authenticating: Authenticating
) -> None:
    _, plaintext = await new_token(house)
    known = "p-" + "A" * 36
    digest = (await digest_of(house.audit_log.vault, known)).hex()

    await forge(house, f"UPDATE tokens SET digest = x'{digest}'")  # noqa: S608

    assert await authenticating.authenticate(known) is None
    assert await authenticating.authenticate(plaintext) is None


async def test_a_token_that_was_put_in_is_not_taken(
    house: House, authenticating: Authenticating
) -> None:
    await new_token(house)
    known = "p-" + "A" * 36
    digest = (await digest_of(house.audit_log.vault, known)).hex()
    await house.break_in(
        "CREATE TABLE another AS SELECT * FROM tokens",
        f"UPDATE another SET id = 'ffff', digest = x'{digest}'",  # noqa: S608
    )

    await forge(house, "INSERT INTO tokens SELECT * FROM another")

    assert await authenticating.authenticate(known) is None


async def test_a_revoked_token_that_is_put_back_is_not_taken(
    house: House, authenticating: Authenticating
) -> None:
    token, plaintext = await new_token(house)
    await house.break_in("CREATE TABLE old AS SELECT * FROM tokens")
    await house.tokens.revoke(PROFILE, token.id, ADA)

    await forge(house, "INSERT INTO tokens SELECT * FROM old")

    assert await authenticating.authenticate(plaintext) is None
    omitted = house.catalog.current().omitted.definitions
    assert omitted == {(PROFILE, token.id): "it was put in outside Keyrelay"}


async def test_what_is_accepted_is_taken(
    house: House, authenticating: Authenticating
) -> None:
    token, plaintext = await new_token(house)
    await forge(house, "UPDATE tokens SET name = 'other'")

    await house.accepting.accept(PROFILE, token.id, ADA)
    await house.catalog.refresh()

    taken = await authenticating.authenticate(plaintext)
    assert taken == replace(token, name="other")


async def test_no_token_is_taken_from_a_catalog_that_is_out_of_date(
    house: House, authenticating: Authenticating
) -> None:
    _, plaintext = await new_token(house)
    house.clock.advance(STALE + timedelta(seconds=1))

    with pytest.raises(Unavailable):
        await authenticating.authenticate(plaintext)


async def test_while_the_vault_is_sealed_no_token_is_told_from_another(
    house: House, authenticating: Authenticating
) -> None:
    _, plaintext = await new_token(house)

    async def sealed(_: str) -> bytes:
        raise Unavailable("the vault is sealed")

    shut = replace(authenticating, digest=sealed)

    for text in (plaintext, "p-wrong"):
        with pytest.raises(Unavailable):
            await shut.authenticate(text)


async def test_wrong_tokens_that_come_together_are_looked_for_once(
    house: House, authenticating: Authenticating
) -> None:
    _, plaintext = await new_token(house)
    gathering = asyncio.Event()
    gathered = Gathered(act=house.catalog.refresh, gather=gathering.wait)
    shared = replace(authenticating, refresh=gathered.run)
    async with counted(house.database) as statements:
        tries = [shared.authenticate(f"p-{n:036}") for n in range(500)]
        waiting = asyncio.ensure_future(asyncio.gather(*tries))
        await settled()
        assert await shared.authenticate(plaintext) is not None
        made = await house.tokens.create(PROFILE, {"name": "new"}, ADA)
        new = asyncio.ensure_future(shared.authenticate(made.plaintext.reveal()))
        await settled()
        statements.clear()

        gathering.set()

        assert {*await waiting} == {None}
    assert await new == made.stored.token
    # There is a new revision, which is read once.
    assert len(statements) < 10


async def test_uses_need_not_be_noted(
    house: House, authenticating: Authenticating
) -> None:
    token, plaintext = await new_token(house)
    plain = Authenticating(
        catalog=authenticating.catalog,
        refresh=authenticating.refresh,
        digest=authenticating.digest,
        now=authenticating.now,
    )

    assert await plain.authenticate(plaintext) == token


async def test_the_token_of_an_analysis_counts_as_long_as_its_analysis_does(
    house: House, authenticating: Authenticating
) -> None:
    analyses = house.analyses.documents
    stored = await analyses.create(PROFILE, {"name": "boiler"}, ADA)
    made = await house.main_token(stored.id)
    plaintext = made.plaintext.reveal()
    taken = await authenticating.authenticate(plaintext)

    await house.break_in("UPDATE analyses SET run_on = 'external'")
    # What was altered is seen by a process that begins now.
    catalog = LiveCatalog(
        database=house.database,
        guard=house.catalog.guard,
        world=house.clock.world(),
        rules=ACTIONS,
        replaced=lambda _: None,
    )
    await catalog.refresh()
    beginning = replace(
        authenticating, catalog=catalog.current, refresh=catalog.refresh
    )
    altered = await beginning.authenticate(plaintext)
    await house.accepting.accept(PROFILE, stored.id, ADA)
    await catalog.refresh()

    assert taken == made.stored.token
    assert altered is None
    assert await beginning.authenticate(plaintext) == made.stored.token
