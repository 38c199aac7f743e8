"""The definition index: what was edited, put in, taken out or put back is named."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from keyrelay.model.catalog import Catalog, Omitted
from keyrelay.model.documents import InvalidDefinition
from keyrelay.ports import Unavailable, Unsealable
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.definitions.definition_index import IndexBroken
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.definitions.vouching import find_unvouched, vouch
from keyrelay.stores.integrity import Soundness, check_definitions
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.migrations import migrate
from keyrelay.vault.framing import frame
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import (
    ADA,
    BEFORE_THE_INDEX,
    SMTP_VALUE,
    House,
    allow,
    mail_action,
)
from tests.samples import ACTIONS, OTHER_PROFILE, PROFILE

TABLES = ("secrets", "actions", "policies", "analyses", "tokens")
# Each column in the hands of a person who may write to the database.
EDITS = [
    ("secrets", "key = 'other'"),
    ("secrets", "folded = 'other'"),
    ("secrets", "type = 'text'"),
    ("secrets", "tags = '{\"tags\": []}'"),
    ("secrets", "envelope = x'00'"),
    ("secrets", "value_length = 1"),
    ("secrets", "fifo = true"),
    ("secrets", "version = 2"),
    ("secrets", "created_at = updated_at, updated_at = '2031-01-01 00:00:00.000000'"),
    ("secrets", "generation = generation + 1"),
    ("actions", "document = replace(document, 'ada@', 'eve@')"),
    ("actions", "name = 'other'"),
    ("actions", "active = false"),
    ("actions", "secret = NULL"),
    ("policies", "document = replace(document, 'access', '*')"),
    ("policies", "active = false"),
    ("tokens", "name = 'other'"),
    ("tokens", "kind = 'operator'"),
    ("tokens", "document = replace(document, 'read', 'full')"),
    ("tokens", f"digest = x'{'01' * 32}'"),
    ("tokens", "prefix = 'p-other'"),
    ("tokens", "created_by = 'eve'"),
    ("tokens", "expires_at = '2040-01-01 00:00:00.000000'"),
    ("tokens", "expires_at = NULL"),
    ("tokens", "analysis = 'other'"),
    ("tokens", "run = 'other'"),
    ("tokens", "envelope = x'00'"),
    ("analyses", "name = 'other'"),
    ("analyses", "active = false"),
    ("analyses", "run_on = 'tago'"),
    ("analyses", "document = replace(document, 'one', 'two')"),
    ("analyses", "versions = '[ ]'"),
    ("analyses", "version = 1"),
]


async def furnish(house: House) -> dict[str, str]:
    """Return the ids of one definition in each table; others stand beside them."""
    secret = await house.new_secret("one")
    await house.new_secret("two")
    action = await house.actions.create(PROFILE, mail_action(secret, "one"), ADA)
    await house.actions.create(PROFILE, mail_action(secret, "two"), ADA)
    policy = await house.policies.create(PROFILE, allow("one"), ADA)
    await house.policies.create(PROFILE, allow("two"), ADA)
    made = await house.tokens.create(PROFILE, a_token("one"), ADA)
    await house.tokens.create(PROFILE, a_token("two"), ADA)
    analyses = house.analyses.documents
    analysis = await analyses.create(PROFILE, an_analysis("one"), ADA)
    await analyses.create(PROFILE, an_analysis("two"), ADA)
    return {
        "secrets": secret,
        "actions": action.id,
        "policies": policy.id,
        "analyses": analysis.id,
        "tokens": made.stored.token.id,
    }


def an_analysis(name: str) -> dict[str, object]:
    return {"name": name, "run_on": "external"}


def a_token(name: str) -> dict[str, object]:
    return {"name": name, "expire_time": "2031-01-01T00:00:00Z"}


async def flaws(house: House) -> Sequence[Soundness]:
    found = check_definitions(house.database, house.catalog.guard)
    return [each async for each in found if each.flaw is not None]


async def read_anew(house: House) -> Catalog:
    """Return what a process sees that begins now."""
    catalog = LiveCatalog(
        database=house.database,
        guard=house.catalog.guard,
        world=house.clock.world(),
        rules=ACTIONS,
        replaced=lambda _: None,
    )
    await catalog.refresh()
    return catalog.current()


def ids_in(catalog: Catalog, table: str) -> set[str]:
    tokens = {("", each.token.id) for each in catalog.tokens.values()}
    kept = {
        "secrets": set(catalog.secrets),
        "actions": set(catalog.actions),
        "analyses": set(catalog.analyses),
    }
    return {id_ for _, id_ in {**kept, "tokens": tokens}.get(table, set())}


async def edit_one(
    house: House, table: str, id_: str, changes: dict[str, object]
) -> None:
    match table:
        case "secrets":
            await house.secrets.edit(PROFILE, id_, changes, ADA)
        case "actions":
            await house.actions.edit(PROFILE, id_, changes, ADA)
        case _:
            await house.policies.edit(PROFILE, id_, changes, ADA)


async def breach_of(house: House) -> str:
    breach = (await house.trail.verify()).breach
    return "" if breach is None else breach.what


async def test_what_was_written_is_vouched_for(house: House) -> None:
    ids = await furnish(house)
    await house.actions.edit(PROFILE, ids["actions"], {"active": False}, ADA)
    await house.policies.delete(PROFILE, ids["policies"], ADA)

    assert await flaws(house) == []
    assert await breach_of(house) == ""
    catalog = await read_anew(house)
    assert catalog.omitted == Omitted()


@pytest.mark.parametrize(("table", "edit"), EDITS)
async def test_what_was_edited_is_named_and_releases_nothing(
    house: House, table: str, edit: str
) -> None:
    ids = await furnish(house)
    await house.break_in(f"UPDATE {table} SET {edit} WHERE id = '{ids[table]}'")  # noqa: S608

    (flaw,) = await flaws(house)
    catalog = await read_anew(house)

    edited = "its row was edited outside Keyrelay"
    assert flaw.id == ids[table]
    assert str(flaw.flaw).startswith(edited)
    assert catalog.omitted.definitions == {(PROFILE, ids[table]): edited}
    assert ids[table] not in ids_in(catalog, table)
    assert len(catalog.secrets) == (1 if table == "secrets" else 2)
    assert ids[table] in await breach_of(house)


@pytest.mark.parametrize("table", TABLES)
async def test_what_was_put_in_is_named_and_releases_nothing(
    house: House, table: str
) -> None:
    await furnish(house)
    others = {
        "secrets": "key = 'x', folded = 'x'",
        "tokens": "digest = x'01'",
    }.get(table, "name = 'x'")
    await house.break_in(
        f"CREATE TABLE another AS SELECT * FROM {table} LIMIT 1",  # noqa: S608
        f"UPDATE another SET id = 'ffff', {others}",  # noqa: S608
        f"INSERT INTO {table} SELECT * FROM another",  # noqa: S608
    )

    (flaw,) = await flaws(house)
    catalog = await read_anew(house)

    assert flaw.id == "ffff"
    assert str(flaw.flaw).startswith("it was put in outside Keyrelay")
    assert set(catalog.omitted.definitions) == {(PROFILE, "ffff")}
    assert "ffff" in await breach_of(house)


@pytest.mark.parametrize("table", TABLES)
async def test_what_was_taken_out_is_named(house: House, table: str) -> None:
    ids = await furnish(house)
    await house.break_in(f"DELETE FROM {table} WHERE id = '{ids[table]}'")  # noqa: S608

    (flaw,) = await flaws(house)
    catalog = await read_anew(house)

    assert flaw.id == ids[table]
    assert flaw.flaw == "its row is missing or cannot be read"
    assert set(catalog.omitted.definitions) == {(PROFILE, ids[table])}
    assert ids[table] in await breach_of(house)


async def test_what_was_put_back_is_named_and_releases_nothing(house: House) -> None:
    ids = await furnish(house)
    await house.break_in("CREATE TABLE old AS SELECT * FROM actions")
    await house.actions.edit(PROFILE, ids["actions"], {"active": False}, ADA)
    await house.break_in("DELETE FROM actions", "INSERT INTO actions SELECT * FROM old")

    (flaw,) = await flaws(house)

    assert flaw.flaw == "it is an older row that was put back"
    assert len((await read_anew(house)).actions) == 1


async def test_two_rows_that_were_swapped_are_both_named(house: House) -> None:
    await furnish(house)
    await house.break_in(
        "CREATE TABLE old AS SELECT * FROM actions",
        "UPDATE actions SET document = (SELECT document FROM old"
        " WHERE old.id <> actions.id)",
    )

    assert len(await flaws(house)) == 2
    assert (await read_anew(house)).actions == {}


async def test_a_row_that_was_moved_to_another_profile_is_named(house: House) -> None:
    ids = await furnish(house)
    await house.break_in(
        f"UPDATE actions SET profile = '{OTHER_PROFILE}'"  # noqa: S608
        f" WHERE id = '{ids['actions']}'"
    )

    catalog = await read_anew(house)

    assert set(catalog.omitted.definitions) == {
        (PROFILE, ids["actions"]),
        (OTHER_PROFILE, ids["actions"]),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE definition_entries SET generation = generation + 1",
        "UPDATE definition_entries SET seal = x'00'",
        "UPDATE definition_entries SET denies = true",
        "DELETE FROM definition_entries WHERE noun = 'action'",
        "UPDATE definition_entries SET id = 'ffff' WHERE generation = 1",
        f"UPDATE definition_entries SET profile = '{OTHER_PROFILE}'"  # noqa: S608
        " WHERE generation = 1",
        "UPDATE definition_heads SET generation = generation + 1",
        "UPDATE definition_heads SET entries = entries + 1",
        "UPDATE definition_heads SET nonce = x'00'",
        "UPDATE definition_heads SET masked = x'00'",
        "UPDATE definition_heads SET mac = x'00'",
        "DELETE FROM definition_heads",
    ],
)
async def test_an_index_that_was_altered_vouches_for_nothing(
    house: House, statement: str
) -> None:
    await furnish(house)
    await house.break_in(statement)

    catalog = await read_anew(house)

    assert PROFILE in catalog.omitted.profiles
    assert "are not believed" in catalog.omitted.profiles[PROFILE]
    assert (catalog.secrets, catalog.actions, dict(catalog.policies)) == ({}, {}, {})
    assert "none of its definitions is believed" in await breach_of(house)


async def test_other_profiles_are_untouched(house: House) -> None:
    await furnish(house)
    theirs = await house.policies.create(OTHER_PROFILE, allow(), ADA)
    await house.break_in(
        f"UPDATE definition_heads SET mac = x'00' WHERE profile = '{PROFILE}'"  # noqa: S608
    )

    catalog = await read_anew(house)

    assert set(catalog.omitted.profiles) == {PROFILE}
    assert set(catalog.policies) == {OTHER_PROFILE}
    await house.policies.edit(OTHER_PROFILE, theirs.id, {"active": False}, ADA)


@pytest.mark.parametrize("at", range(0, 256, 15))
async def test_each_byte_of_the_total_counts(house: House, at: int) -> None:
    await house.policies.create(PROFILE, allow(), ADA)
    ((masked,),) = await house.look(
        f"SELECT masked FROM definition_heads WHERE profile = '{PROFILE}'"  # noqa: S608
    )
    assert isinstance(masked, bytes)
    flipped = bytearray(masked)
    flipped[at] ^= 1
    await house.break_in(f"UPDATE definition_heads SET masked = x'{flipped.hex()}'")  # noqa: S608

    assert PROFILE in (await read_anew(house)).omitted.profiles


TOGETHER = ("definition_entries", "definition_heads", *TABLES)


async def take(house: House) -> None:
    await house.break_in(
        *[f"CREATE TABLE old_{t} AS SELECT * FROM {t}" for t in TOGETHER]  # noqa: S608
    )


async def put_back(house: House) -> None:
    for table in TOGETHER:
        await house.break_in(
            f"DELETE FROM {table}",  # noqa: S608
            f"INSERT INTO {table} SELECT * FROM old_{table}",  # noqa: S608
        )


async def test_all_that_was_put_back_together_is_told_by_the_records(
    house: House,
) -> None:
    ids = await furnish(house)
    await take(house)
    await house.secrets.edit(PROFILE, ids["secrets"], {"value": SMTP_VALUE}, ADA)
    await put_back(house)

    catalog = await read_anew(house)

    assert (
        "of generation 12, and were of generation 13 before"
        in catalog.omitted.profiles[PROFILE]
    )
    assert catalog.secrets == {}
    assert "none of its definitions" in await breach_of(house)


async def test_all_that_was_put_back_with_its_records_is_told_by_the_checkpoint(
    house: House,
) -> None:
    ids = await furnish(house)
    await take(house)
    await house.break_in("CREATE TABLE records AS SELECT * FROM audit_records")
    await house.secrets.edit(PROFILE, ids["secrets"], {"value": SMTP_VALUE}, ADA)
    await house.audit_log.keep_checkpoint()
    await put_back(house)
    await house.break_in(
        "DELETE FROM audit_records", "INSERT INTO audit_records SELECT * FROM records"
    )

    catalog = await read_anew(house)

    assert "were of generation 13 before" in catalog.omitted.profiles[PROFILE]


async def test_a_forged_checkpoint_is_not_believed(house: House) -> None:
    await house.audit_log.keep_checkpoint()
    house.audit_log.checkpoint.path.write_text("{}")

    with pytest.raises(Unavailable, match="keep it as evidence"):
        await read_anew(house)


@pytest.mark.parametrize(("table", "edit"), [EDITS[7], EDITS[10], EDITS[14]])
async def test_what_was_edited_is_not_vouched_for_by_an_edit(
    house: House, table: str, edit: str
) -> None:
    ids = await furnish(house)
    await house.break_in(f"UPDATE {table} SET {edit} WHERE id = '{ids[table]}'")  # noqa: S608
    tags: dict[str, object] = {"tags": [{"key": "a", "value": "b"}]}

    with pytest.raises((InvalidDefinition, Unsealable)):
        await edit_one(house, table, ids[table], tags)

    assert [each.id for each in await flaws(house)] == [ids[table]]


@pytest.mark.parametrize(("table", "edit"), EDITS[10:])
async def test_what_is_accepted_is_used_and_recorded(
    house: House, table: str, edit: str
) -> None:
    ids = await furnish(house)
    await house.break_in(f"UPDATE {table} SET {edit} WHERE id = '{ids[table]}'")  # noqa: S608

    await house.accepting.accept(PROFILE, ids[table], ADA)

    assert await flaws(house) == []
    assert await breach_of(house) == ""
    newest, *_ = await house.trail.list(PROFILE, AuditQuery(kind="change"))
    facts = [newest.document[name] for name in ("change", "subject", "actor")]
    assert facts == ["accepted", ids[table], ADA]


async def test_what_is_missing_is_accepted_as_missing(house: House) -> None:
    ids = await furnish(house)
    await house.break_in(f"DELETE FROM policies WHERE id = '{ids['policies']}'")  # noqa: S608

    await house.accepting.accept(PROFILE, ids["policies"], ADA)

    assert await flaws(house) == []
    with pytest.raises(NotFound):
        await house.accepting.accept(PROFILE, ids["policies"], ADA)


async def test_a_running_process_uses_what_was_accepted(house: House) -> None:
    await furnish(house)
    await house.break_in("UPDATE definition_heads SET mac = x'00'")
    await house.break_in("UPDATE installation SET revision = revision + 1")
    await house.break_in(
        f"INSERT INTO changes SELECT revision, 'policy', '{PROFILE}', 'ffff'"  # noqa: S608
        " FROM installation"
    )
    await house.catalog.refresh()
    closed = house.catalog.current().omitted.profiles
    with pytest.raises(IndexBroken):
        await house.new_secret("three")

    assert await house.accepting.accept_all(PROFILE, ADA) == 12
    await house.catalog.refresh()

    catalog = house.catalog.current()
    assert PROFILE in closed
    assert PROFILE not in catalog.omitted.profiles
    assert (len(catalog.secrets), len(catalog.actions)) == (2, 2)
    await house.new_secret("three")


@on_sqlite
async def test_what_cannot_be_read_is_not_accepted(house: House) -> None:
    ids = await furnish(house)
    await house.break_in(
        f"UPDATE actions SET created_at = 'x' WHERE id = '{ids['actions']}'"  # noqa: S608
    )

    with pytest.raises(InvalidDefinition, match="cannot be read: delete it"):
        await house.accepting.accept(PROFILE, ids["actions"], ADA)
    with pytest.raises(InvalidDefinition, match="cannot be read: delete it"):
        await house.accepting.accept_all(PROFILE, ADA)


@on_sqlite
async def test_definitions_of_before_there_was_an_index_are_vouched_for_once(
    house: House, tmp_path: Path
) -> None:
    await furnish(house)
    guard = await go_back(house, tmp_path)

    ours, theirs = await find_unvouched(house.audit_log, guard)
    await vouch(house.audit_log, ours, ADA)

    assert dict(ours.counts) == {
        "secret": 2,
        "action": 2,
        "policy": 2,
        "analysis": 0,
        "token": 0,
    }
    assert await find_unvouched(house.audit_log, guard) == [theirs]
    assert [each.flaw for each in await flaws(house) if each.profile == "main"] == []
    # An index that is gone is not made again: the records say that there was one.
    await house.break_in("DELETE FROM definition_heads")
    assert await find_unvouched(house.audit_log, guard) == [theirs]


@on_sqlite
async def test_what_is_found_before_it_is_vouched_for_is_told(
    house: House, tmp_path: Path
) -> None:
    ids = await furnish(house)
    guard = await go_back(house, tmp_path)
    await house.break_in(
        f"UPDATE secrets SET envelope = x'00' WHERE id = '{ids['secrets']}'",  # noqa: S608
        "UPDATE secret_versions SET version = 7",
    )

    ours, _ = await find_unvouched(house.audit_log, guard)

    assert "the versions of the secrets were altered" in ours.flaws[0]
    assert ids["secrets"] in ours.flaws[1]


async def go_back(house: House, folder: Path) -> DefinitionGuard:
    """Make the database what an older Keyrelay would have made, and no checkpoint."""
    vault = house.audit_log.vault
    await house.break_in(
        "INSERT INTO secret_versions SELECT id, version FROM secrets",
        *BEFORE_THE_INDEX,
        "UPDATE alembic_version SET version_num = '0004'",
        "UPDATE audit_records SET document ="
        " replace(document, '\"generation\"', '\"other\"')",
    )
    listed = await house.look("SELECT secret, version FROM secret_versions")
    texts = sorted(f"{secret} {version}" for secret, version in listed)
    mac = await vault.authenticator("versions")
    message = frame("keyrelay/versions/1", vault.keyring.store_id, "0", *texts)
    await house.break_in(
        f"UPDATE installation SET versions_mac = x'{mac(message).hex()}'"  # noqa: S608
    )
    await migrate(house.database)
    return DefinitionGuard(vault=vault, checkpoint=CheckpointFile(folder / "none"))
