"""Analysis tokens: they come and go with their analysis, sealed beside their digest."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.token import TokenDraft, TokenKind, TokenRights
from keyrelay.ports import Unavailable, Unsealable
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import TrailEntry
from keyrelay.stores.definitions.listing import Listing
from keyrelay.stores.definitions.token_making import NewToken, make_token
from keyrelay.stores.definitions.token_rows import digest_of, name_of
from keyrelay.stores.integrity import check_definitions
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.migrations import migrate
from tests.contract.stores.house import ADA, BEFORE_ANALYSES, House
from tests.samples import NOON, OTHER_PROFILE, PROFILE

EXTERNAL: dict[str, object] = {"name": "boiler", "run_on": "external"}


async def new_analysis(
    house: House, document: dict[str, object] = EXTERNAL
) -> tuple[str, NewToken]:
    stored = await house.analyses.documents.create(PROFILE, document, ADA)
    return stored.id, await house.main_token(stored.id)


async def token_of_run(house: House, analysis: str) -> NewToken:
    rights = TokenRights(kind=TokenKind.ANALYSIS, analysis=analysis, run="run-7")
    draft = TokenDraft(
        name="boiler", rights=rights, expires_at=NOON + timedelta(hours=1)
    )
    async with house.journal.writing(PROFILE, ADA) as writing:
        return await make_token(writing, draft)


async def counts(house: House, plaintext: str) -> bool:
    """Tell whether a process takes the token."""
    await house.catalog.refresh()
    digest = await digest_of(house.audit_log.vault, plaintext)
    return house.catalog.current().token(digest) is not None


async def shown(house: House, analysis: str) -> str:
    return (await house.analyses.token(PROFILE, analysis, ADA)).reveal()


async def records_of(house: House, change: str) -> list[TrailEntry]:
    found = await house.trail.list(PROFILE, AuditQuery(kind="change"))
    return [each for each in found if each.document["change"] == change]


async def flaws(house: House) -> dict[str, str]:
    found = check_definitions(house.database, house.catalog.guard)
    return {each.id: each.flaw async for each in found if each.flaw is not None}


async def test_an_analysis_is_made_with_a_token_that_is_its_own(house: House) -> None:
    id_, made = await new_analysis(house)

    token = made.stored.token

    assert token.name == "boiler"
    assert token.rights == TokenRights(kind=TokenKind.ANALYSIS, analysis=id_)
    assert token.expires_at is None
    assert made.plaintext.reveal().startswith("a-")
    assert await house.tokens.get(PROFILE, token.id) == made.stored
    assert await counts(house, made.plaintext.reveal())


async def test_the_plaintext_is_in_no_row_of_the_database(house: House) -> None:
    id_, made = await new_analysis(house)
    whole = made.plaintext.reveal()
    await shown(house, id_)

    rest = whole.removeprefix(made.stored.token.prefix)
    for table in ("tokens", "analyses", "audit_records", "definition_entries"):
        rows = await house.look(f"SELECT * FROM {table}")  # noqa: S608
        assert rows
        assert rest not in repr(rows)
        assert rest.encode().hex() not in repr(rows)


async def test_each_time_the_token_is_shown_there_is_a_record(house: House) -> None:
    id_, made = await new_analysis(house)
    whole, token = made.plaintext.reveal(), made.stored.token

    first = (await house.analyses.token(PROFILE, id_, "eve")).reveal()
    second = await shown(house, id_)

    assert (first, second) == (whole, whole)
    records = await records_of(house, "revealed")
    assert [each.document["actor"] for each in records] == [ADA, "eve"]
    for record in records:
        assert record.document["noun"] == "token"
        assert record.document["subject"] == token.id
        assert record.document["detail"] == f"boiler: analysis, {token.prefix}"


async def test_without_a_record_the_token_is_not_shown(house: House) -> None:
    id_, _ = await new_analysis(house)
    await house.refuse_records()

    with pytest.raises(DBAPIError):
        await house.analyses.token(PROFILE, id_, ADA)


async def test_an_analysis_and_its_token_are_made_together_or_not_at_all(
    house: House,
) -> None:
    await house.refuse_rows("tokens")

    with pytest.raises(DBAPIError):
        await new_analysis(house)

    assert await house.look("SELECT * FROM analyses") == []


async def test_the_token_is_not_there_for_another_profile(house: House) -> None:
    id_, _ = await new_analysis(house)

    with pytest.raises(NotFound, match=f"there is no analysis {id_}"):
        await house.analyses.token(OTHER_PROFILE, id_, ADA)
    with pytest.raises(NotFound):
        await house.analyses.documents.delete(OTHER_PROFILE, id_, ADA)
    assert await records_of(house, "revealed") == []


async def test_an_analysis_that_leaves_external_has_another_token(house: House) -> None:
    id_, made = await new_analysis(house)
    before = made.plaintext.reveal()

    await house.analyses.documents.edit(PROFILE, id_, {"run_on": "tago"}, "eve")

    after = await shown(house, id_)
    assert after != before
    assert await counts(house, after)
    assert not await counts(house, before)
    deleted, *_ = await records_of(house, "deleted")
    assert deleted.document["subject"] == made.stored.token.id
    assert deleted.document["actor"] == "eve"


@pytest.mark.parametrize(
    "changes",
    [{"run_on": "external"}, {"active": False}, {"run_on": "tago"}, {"name": "x"}],
    ids=str,
)
async def test_no_other_edit_renews_it(
    house: House, changes: dict[str, object]
) -> None:
    id_, made = await new_analysis(house, {"name": "boiler", "run_on": "tago"})

    await house.analyses.documents.edit(PROFILE, id_, changes, ADA)

    assert await shown(house, id_) == made.plaintext.reveal()
    assert await counts(house, made.plaintext.reveal())


async def test_the_token_is_called_as_its_analysis_is(house: House) -> None:
    id_, made = await new_analysis(house)

    await house.analyses.documents.edit(PROFILE, id_, {"name": "Attic"}, ADA)

    (listed,) = await house.tokens.list(PROFILE, Listing(name="*attic*"))
    assert name_of(listed) == "Attic"
    assert await house.tokens.called(PROFILE, "Attic") == [made.stored.token.id]
    assert await flaws(house) == {}


async def test_a_deleted_analysis_takes_all_of_its_tokens_with_it(house: House) -> None:
    id_, made = await new_analysis(house)
    other, theirs = await new_analysis(house)
    of_run = await token_of_run(house, id_)

    await house.analyses.documents.delete(PROFILE, id_, ADA)

    assert not await counts(house, made.plaintext.reveal())
    assert not await counts(house, of_run.plaintext.reveal())
    assert await shown(house, other) == theirs.plaintext.reveal()
    with pytest.raises(NotFound):
        await house.analyses.token(PROFILE, id_, ADA)
    assert await flaws(house) == {}


async def test_the_token_of_a_run_is_neither_listed_nor_shown_as_the_main_one(
    house: House,
) -> None:
    id_, made = await new_analysis(house)
    of_run = await token_of_run(house, id_)

    listed = await house.tokens.list(PROFILE, Listing())

    assert listed == (made.stored,)
    assert await house.tokens.called(PROFILE, "boiler") == [made.stored.token.id]
    assert await shown(house, id_) == made.plaintext.reveal()
    assert await counts(house, of_run.plaintext.reveal())
    assert of_run.stored.token.rights.run == "run-7"
    assert await house.tokens.get(PROFILE, of_run.stored.token.id) == of_run.stored


async def test_a_token_of_an_analysis_is_neither_made_nor_revoked_by_itself(
    house: House,
) -> None:
    id_, made = await new_analysis(house)
    document = {"name": "x", "kind": "analysis", "analysis": id_}

    with pytest.raises(InvalidDefinition):
        await house.tokens.create(PROFILE, document, ADA)
    with pytest.raises(InvalidDefinition, match=f"is that of analysis {id_}"):
        await house.tokens.revoke(PROFILE, made.stored.token.id, ADA)
    assert await counts(house, made.plaintext.reveal())


async def renewed(house: House) -> tuple[str, NewToken, str]:
    """Renew a token, and put the old one back by hand.

    Returns the analysis, the old token, and the new one's plaintext.
    """
    id_, made = await new_analysis(house)
    await house.break_in("CREATE TABLE old AS SELECT * FROM tokens")
    await house.analyses.documents.edit(PROFILE, id_, {"run_on": "tago"}, ADA)
    new = await shown(house, id_)
    await house.break_in("INSERT INTO tokens SELECT * FROM old")
    return id_, made, new


async def test_a_token_that_was_put_back_by_hand_is_not_believed(house: House) -> None:
    id_, old, new = await renewed(house)

    assert not await counts(house, old.plaintext.reveal())
    assert await shown(house, id_) == new
    assert list(await flaws(house)) == [old.stored.token.id]
    await house.tokens.revoke(PROFILE, old.stored.token.id, ADA)
    assert await flaws(house) == {}


async def test_a_token_that_stands_in_the_place_of_another_is_not_shown(
    house: House,
) -> None:
    id_, old, _ = await renewed(house)
    await house.break_in(
        f"DELETE FROM tokens WHERE id <> '{old.stored.token.id}'"  # noqa: S608
    )

    with pytest.raises(InvalidDefinition, match="put in outside Keyrelay"):
        await house.analyses.token(PROFILE, id_, ADA)
    await house.break_in("DELETE FROM tokens")
    with pytest.raises(InvalidDefinition, match="taken out outside Keyrelay"):
        await house.analyses.token(PROFILE, id_, ADA)
    for run_on in ("external", "tago"):
        await house.analyses.documents.edit(PROFILE, id_, {"run_on": run_on}, ADA)
    assert await counts(house, await shown(house, id_))
    # Once by `renewed`, and once that there is another one.
    assert len(await records_of(house, "revealed")) == 2


async def test_what_was_put_back_by_hand_is_not_vouched_for_by_a_rename(
    house: House,
) -> None:
    id_, old, new = await renewed(house)

    await house.analyses.documents.edit(PROFILE, id_, {"name": "attic"}, ADA)

    assert list(await flaws(house)) == [old.stored.token.id]
    assert await shown(house, id_) == new


async def test_an_envelope_opens_in_the_row_of_its_own_token_alone(
    house: House,
) -> None:
    id_, made = await new_analysis(house)
    _, theirs = await new_analysis(house)
    one, other = made.stored.token.id, theirs.stored.token.id
    await house.break_in(
        "CREATE TABLE old AS SELECT * FROM tokens",
        "UPDATE tokens SET envelope = (SELECT envelope FROM old"  # noqa: S608
        f" WHERE old.id = '{other}') WHERE id = '{one}'",
    )

    with pytest.raises(InvalidDefinition, match="edited outside Keyrelay"):
        await house.analyses.token(PROFILE, id_, ADA)
    assert "tampered" in (await flaws(house))[one]
    await house.accepting.accept(PROFILE, one, ADA)
    with pytest.raises(Unsealable):
        await house.analyses.token(PROFILE, id_, ADA)


async def test_while_the_vault_is_sealed_no_analysis_is_made(house: House) -> None:
    vault = house.audit_log.vault
    keyring = replace(vault.keyring, wrapped=())
    journal = replace(
        house.journal,
        audit_log=replace(house.audit_log, vault=replace(vault, keyring=keyring)),
    )
    documents = replace(house.analyses.documents, journal=journal)

    with pytest.raises(Unavailable):
        await documents.create(PROFILE, EXTERNAL, ADA)


async def test_tokens_from_before_there_were_analyses_still_count(house: House) -> None:
    made = await house.tokens.create(PROFILE, {"name": "ci"}, ADA)
    await house.break_in(
        *BEFORE_ANALYSES, "UPDATE alembic_version SET version_num = '0015'"
    )

    await migrate(house.database)

    assert await flaws(house) == {}
    assert await counts(house, made.plaintext.reveal())
