"""The live catalog: sees each change at once, and trusts nothing but the vault."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Denial, Permit, decide
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.live_catalog import STALE, LiveCatalog
from tests.contract.stores.ground import on_postgresql, on_sqlite
from tests.contract.stores.house import (
    ADA,
    SMTP_VALUE,
    House,
    allow,
    mail_action,
    smtp_secret,
)
from tests.fakes import Clock
from tests.samples import ACTIONS, NOON, OTHER_PROFILE, PROFILE

MOMENT = timedelta(seconds=0.1)


async def furnish(house: House) -> tuple[str, str, str]:
    """Return the ids of a secret, an action that uses it and a policy that lets it."""
    secret = await house.new_secret()
    action = await house.actions.create(PROFILE, mail_action(secret), ADA)
    policy = await house.policies.create(PROFILE, allow(), ADA)
    await house.catalog.refresh()
    return secret, action.id, policy.id


async def test_a_change_is_seen_at_once_in_the_process_that_made_it(
    house: House,
) -> None:
    secret, action, policy = await furnish(house)
    permitted = await house.verdict(action, secret)
    revision = house.catalog.current().revision
    stop = asyncio.Event()
    watching = asyncio.create_task(house.catalog.watch(stop))
    await house.clock.until_asleep(house.database.poll_interval)

    await house.policies.delete(PROFILE, policy, ADA)

    # No time passes here: it cannot have looked by itself.
    catalog, clock = house.catalog, house.clock
    await until(catalog, clock, lambda seen: revision.is_older_than(seen.revision))
    assert isinstance(permitted, Permit)
    assert isinstance(await house.verdict(action, secret), Denial)
    stop.set()
    await watching


async def test_a_change_of_another_process_is_seen_at_the_next_refresh(
    house: House, neighbour: House
) -> None:
    secret, action, policy = await furnish(house)
    await neighbour.catalog.refresh()
    permitted = await neighbour.verdict(action, secret)

    await house.policies.delete(PROFILE, policy, ADA)
    await neighbour.catalog.refresh()

    assert isinstance(permitted, Permit)
    assert isinstance(await neighbour.verdict(action, secret), Denial)


@on_sqlite
async def test_a_watching_catalog_hears_of_another_process_before_it_polls(
    house: House, neighbour: House
) -> None:
    clock, stop = Clock(time=NOON), asyncio.Event()
    catalog = await catalog_of(neighbour, clock)
    secret = await house.new_secret()
    watching = asyncio.create_task(catalog.watch(stop))
    await until(catalog, clock, lambda seen: (PROFILE, secret) in seen.secrets)

    await house.secrets.delete(PROFILE, secret, ADA)

    await until(catalog, clock, lambda seen: (PROFILE, secret) not in seen.secrets)
    stop.set()
    await watching


@on_sqlite
async def test_a_watching_catalog_polls_as_well(house: House, neighbour: House) -> None:
    clock, stop = Clock(time=NOON), asyncio.Event()
    catalog = await catalog_of(neighbour, clock)
    poll = neighbour.database.poll_interval
    watching = asyncio.create_task(catalog.watch(stop))
    await clock.until_asleep(poll)

    clock.advance(poll)
    await clock.until_asleep(poll)

    assert catalog.current() is not None, "confirmed again, at most two seconds old"
    stop.set()
    await watching


@on_postgresql
async def test_a_watching_catalog_is_signalled_a_change_before_it_polls(
    house: House, neighbour: House
) -> None:
    clock, stop = Clock(time=NOON), asyncio.Event()
    catalog = await catalog_of(neighbour, clock)
    watching = asyncio.create_task(catalog.watch(stop))
    secret = await house.new_secret()
    await until(catalog, clock, lambda seen: (PROFILE, secret) in seen.secrets)

    await house.secrets.delete(PROFILE, secret, ADA)

    # No time passes here: it cannot have polled.
    await until(catalog, clock, lambda seen: (PROFILE, secret) not in seen.secrets)
    stop.set()
    await watching


@on_postgresql
async def test_a_catalog_that_lost_its_connection_polls_every_second(
    house: House, neighbour: House
) -> None:
    clock, stop = Clock(time=NOON), asyncio.Event()
    catalog = await catalog_of(neighbour, clock)
    watching = asyncio.create_task(catalog.watch(stop))
    secret = await house.new_secret()
    await until(catalog, clock, lambda seen: (PROFILE, secret) in seen.secrets)
    await clock.until_asleep()
    listens_again = clock.next_sleep()
    await house.break_in(DEAFEN)
    await listens_again.wait()

    await house.secrets.delete(PROFILE, secret, ADA)
    assert (PROFILE, secret) in catalog.current().secrets
    clock.advance(timedelta(seconds=1))

    await until(catalog, clock, lambda seen: (PROFILE, secret) not in seen.secrets)
    stop.set()
    await watching


# A connection that listens is idle in no transaction, and LISTEN was its last command.
DEAFEN = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE query ILIKE 'listen %' AND datname = current_database()"
)


async def until(
    catalog: LiveCatalog, clock: Clock, seen: Callable[[Catalog], bool]
) -> None:
    """Return once a catalog that is watched is like that.

    After each look it waits for the next one.
    """
    while not seen(catalog.current()):
        await clock.next_sleep().wait()


async def catalog_of(house: House, clock: Clock) -> LiveCatalog:
    """Return a catalog that has read what there is now, with a clock of its own."""
    catalog = LiveCatalog(
        database=house.database,
        guard=house.catalog.guard,
        world=clock.world(),
        rules=ACTIONS,
        replaced=lambda _: None,
    )
    await catalog.refresh()
    return catalog


@asynccontextmanager
async def reopened(house: House) -> AsyncIterator[Catalog]:
    """Give what a process sees that begins now."""
    catalog = await catalog_of(house, house.clock)
    yield catalog.current()


async def test_definitions_do_not_cross_profiles(house: House) -> None:
    secret, action, _ = await furnish(house)
    await house.policies.create(OTHER_PROFILE, allow(), ADA)
    await house.catalog.refresh()

    catalog = house.catalog.current()

    assert (OTHER_PROFILE, secret) not in catalog.secrets
    assert (OTHER_PROFILE, action) not in catalog.actions
    assert set(catalog.policies) == {PROFILE, OTHER_PROFILE}


async def test_secrets_are_there_by_profile_in_the_order_of_their_keys(
    house: House, neighbour: House
) -> None:
    first = [await house.new_secret(key) for key in ("b", "d", "a")]
    await house.secrets.create(OTHER_PROFILE, smtp_secret("c"), ADA)
    await neighbour.catalog.refresh()
    before = neighbour.catalog.current()

    await house.new_secret("C")
    await house.secrets.delete(PROFILE, first[0], ADA)
    await neighbour.catalog.refresh()
    after = neighbour.catalog.current()

    def keys(catalog: Catalog, profile: str) -> list[str]:
        return [each.secret.key for each in catalog.secrets_of(profile)]

    assert keys(before, PROFILE) == ["a", "b", "d"]
    assert keys(after, PROFILE) == ["C", "a", "d"]
    assert keys(after, OTHER_PROFILE) == ["c"]
    assert after.by_key[OTHER_PROFILE] is before.by_key[OTHER_PROFILE]
    assert after.secrets_of("c" * 24) == ()
    every = [*after.secrets_of(PROFILE), *after.secrets_of(OTHER_PROFILE)]
    assert {(e.secret.profile, e.secret.id): e for e in every} == after.secrets


async def test_what_did_not_change_is_not_read_again(house: House) -> None:
    secret, action, _ = await furnish(house)
    before = house.catalog.current()

    await house.new_secret("another")
    await house.catalog.refresh()
    after = house.catalog.current()

    assert after.revision.number == before.revision.number + 1
    assert after.actions is before.actions
    assert after.policies is before.policies
    assert after.secrets[PROFILE, secret] is before.secrets[PROFILE, secret]
    assert (PROFILE, action) in after.actions


async def test_a_new_process_sees_all_that_there_is(
    house: House, neighbour: House
) -> None:
    secret, action, _ = await furnish(house)
    await neighbour.catalog.refresh()

    ours, theirs = house.catalog.current(), neighbour.catalog.current()

    assert theirs.actions == ours.actions
    assert theirs.secrets == ours.secrets
    assert isinstance(await neighbour.verdict(action, secret), Permit)


async def test_more_definitions_than_one_reading_holds_are_all_seen(
    house: House, neighbour: House
) -> None:
    await furnish(house)
    await house.break_in(
        "CREATE TABLE numbers AS WITH RECURSIVE c(n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1200)"
        " SELECT n, substr('00000000', 1, 8 - length(n || '')) || n AS id FROM c",
        "INSERT INTO actions SELECT numbers.id, profile, name, folded, active,"
        " secret, document, created_at, updated_at, generation, mac"
        " FROM numbers, actions",
    )
    await house.accepting.accept_all(PROFILE, ADA)

    await house.catalog.refresh()

    assert len(house.catalog.current().actions) == 1201
    async with reopened(neighbour) as catalog:
        assert len(catalog.actions) == 1201


@pytest.mark.parametrize(
    "changes",
    [{"value": SMTP_VALUE}, {"tags": [{"key": "k", "value": "v"}]}],
    ids=["value", "tags"],
)
async def test_a_new_version_of_a_secret_is_reported(
    house: House, neighbour: House, changes: dict[str, object]
) -> None:
    secret = await house.new_secret()
    await neighbour.catalog.refresh()
    neighbour.replaced.clear()

    await house.secrets.edit(PROFILE, secret, changes, ADA)
    await house.policies.create(PROFILE, allow(), ADA)
    await neighbour.catalog.refresh()
    await neighbour.catalog.refresh()

    assert neighbour.replaced == [secret]
    assert neighbour.catalog.current().secrets[PROFILE, secret].secret.version == 2


async def test_a_row_that_is_put_back_does_not_open(
    house: House, neighbour: House
) -> None:
    secret = await house.new_secret()
    await house.break_in("CREATE TABLE stolen AS SELECT * FROM secrets")
    await house.secrets.edit(PROFILE, secret, {"value": SMTP_VALUE}, ADA)
    await house.break_in(
        "DELETE FROM secrets",
        "INSERT INTO secrets SELECT * FROM stolen",
    )

    async with reopened(neighbour) as catalog:
        reason = catalog.absence("secret", PROFILE, secret)

    assert catalog.secrets == {}
    assert reason == f"secret {secret}: it is an older row that was put back"


async def test_a_deleted_secret_that_is_put_back_is_left_out(
    house: House, neighbour: House, caplog: pytest.LogCaptureFixture
) -> None:
    secret = await house.new_secret()
    await house.break_in("CREATE TABLE stolen AS SELECT * FROM secrets")
    await house.secrets.delete(PROFILE, secret, ADA)
    await house.break_in("INSERT INTO secrets SELECT * FROM stolen")

    async with reopened(neighbour) as catalog:
        assert catalog.secrets == {}

    (line,) = caplog.records
    assert (line.message, line.__dict__["id"]) == ("definition left out", secret)
    assert line.__dict__["reason"] == "it was put in outside Keyrelay"


TAKEN = ("installation", "secrets", "definition_entries", "definition_heads", "changes")


@pytest.mark.parametrize("later", [False, True], ids=["then", "after a change since"])
async def test_definitions_that_are_put_back_all_together_are_not_believed(
    house: House,
    later: bool,  # noqa: FBT001 - a column of the table
) -> None:
    secret = await house.new_secret()
    await house.catalog.refresh()
    await house.break_in(*[f"CREATE TABLE old_{t} AS SELECT * FROM {t}" for t in TAKEN])  # noqa: S608
    await house.secrets.edit(PROFILE, secret, {"value": SMTP_VALUE}, ADA)
    await house.catalog.refresh()
    for table in TAKEN:
        await house.break_in(
            f"DELETE FROM {table}",  # noqa: S608
            f"INSERT INTO {table} SELECT * FROM old_{table}",  # noqa: S608
        )
    if later:
        await house.break_in(
            "UPDATE installation SET revision = 9",
            f"INSERT INTO changes VALUES (9, 'secret', '{PROFILE}', '{secret}')",  # noqa: S608
        )

    await house.catalog.refresh()

    if later:
        reason = house.catalog.current().omitted.profiles[PROFILE]
        assert "of generation 1, and were of generation 2 before" in reason
        return
    house.clock.time += STALE + MOMENT
    with pytest.raises(Unavailable, match="if a backup was restored on purpose"):
        house.catalog.current()


@pytest.mark.parametrize("broken", ["'{'", "'5'", "x'ff'", "'{}'"])
async def test_a_definition_that_was_broken_harms_only_itself(
    house: House, neighbour: House, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    await break_one_action(house, neighbour, f"document = {broken}", caplog)


@on_sqlite
@pytest.mark.parametrize(
    "change", ["document = 5", "created_at = 'soon'", "created_at = 5"]
)
async def test_a_definition_of_values_of_another_type_harms_only_itself(
    house: House, neighbour: House, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    await break_one_action(house, neighbour, change, caplog)


async def break_one_action(
    house: House, neighbour: House, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Break one of two, and see that the other one is still there."""
    secret, action, _ = await furnish(house)
    bad = await house.actions.create(PROFILE, mail_action(secret, "bad"), ADA)
    await house.break_in(f"UPDATE actions SET {change} WHERE name = 'bad'")  # noqa: S608

    async with reopened(neighbour) as catalog:
        assert set(catalog.actions) == {(PROFILE, action)}
        assert (PROFILE, secret) in catalog.secrets

    assert [(line.message, line.__dict__["id"]) for line in caplog.records] == [
        ("definition left out", bad.id)
    ]


async def test_a_policy_that_only_allowed_harms_only_itself(
    house: House, neighbour: House
) -> None:
    secret, action, _ = await furnish(house)
    await house.policies.create(PROFILE, {**allow(), "name": "also"}, ADA)
    await house.break_in("UPDATE policies SET document = '{' WHERE name = 'also'")

    async with reopened(neighbour) as catalog:
        verdict = decide(
            catalog.policies_of(PROFILE),
            catalog.actions[PROFILE, action].tagged,
            catalog.secrets[PROFILE, secret],
        )

    assert isinstance(verdict, Permit)


@pytest.mark.parametrize(
    "breaking",
    [
        "UPDATE policies SET document = '{' WHERE name = 'never'",
        "UPDATE policies SET active = false WHERE name = 'never'",
        "DELETE FROM policies WHERE name = 'never'",
    ],
)
async def test_a_denial_that_was_broken_denies_its_profile_everything(
    house: House,
    neighbour: House,
    caplog: pytest.LogCaptureFixture,
    breaking: str,
) -> None:
    secret, action, _ = await furnish(house)
    denial = {"effect": "deny", "action": ["access"], "resource": ["secrets"]}
    others = {"targets": [["analysis"]], "permissions": [denial]}
    await house.policies.create(PROFILE, {"name": "never", **others}, ADA)
    await house.break_in(breaking)

    async with reopened(neighbour) as catalog:
        verdict = decide(
            catalog.policies_of(PROFILE),
            catalog.actions[PROFILE, action].tagged,
            catalog.secrets[PROFILE, secret],
        )

    assert isinstance(verdict, Denial)
    assert "unreadable" in verdict.reason
    assert [line.message for line in caplog.records] == [
        "definition left out",
        "policy unreadable: its profile is denied every secret",
    ]


async def test_a_change_of_a_noun_that_only_a_newer_one_knows_is_passed_over(
    house: House, neighbour: House
) -> None:
    secret = await house.new_secret()
    await house.break_in("UPDATE changes SET noun = 'analysis'")
    await house.secrets.edit(PROFILE, secret, {"value": SMTP_VALUE}, ADA)

    await neighbour.catalog.refresh()

    assert neighbour.catalog.current().secrets[PROFILE, secret].secret.version == 2


@pytest.mark.parametrize("change", ["type = 'other'", "tags = '[]'", "tags = '{}'"])
async def test_a_secret_that_was_broken_harms_only_itself(
    house: House, neighbour: House, change: str
) -> None:
    await break_one_secret(house, neighbour, change)


@on_sqlite
@pytest.mark.parametrize(
    "change", ["envelope = 'text'", "key = x'00'", "updated_at = 'soon'"]
)
async def test_a_secret_of_values_of_another_type_harms_only_itself(
    house: House, neighbour: House, change: str
) -> None:
    await break_one_secret(house, neighbour, change)


async def break_one_secret(house: House, neighbour: House, change: str) -> None:
    """Break one of two, and see that the other one is still there."""
    good = await house.new_secret("good")
    await house.new_secret("bad")
    await house.break_in(f"UPDATE secrets SET {change} WHERE id <> '{good}'")  # noqa: S608

    async with reopened(neighbour) as catalog:
        assert set(catalog.secrets) == {(PROFILE, good)}


async def test_a_view_that_was_not_confirmed_for_long_authorises_nothing(
    house: House,
) -> None:
    await furnish(house)

    house.clock.time += STALE
    house.catalog.current()
    house.clock.time += MOMENT

    with pytest.raises(Unavailable, match="not read"):
        house.catalog.current()
    await house.catalog.refresh()
    house.catalog.current()


async def test_a_clock_that_is_set_back_makes_no_view_young(house: House) -> None:
    house.clock.time -= MOMENT

    with pytest.raises(Unavailable):
        house.catalog.current()


async def test_while_the_database_does_not_answer_the_last_view_serves_a_moment(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    secret, action, _ = await furnish(house)
    await house.break_in("ALTER TABLE installation RENAME TO gone")
    await house.break_in("CREATE TABLE installation AS SELECT * FROM gone WHERE false")

    await house.catalog.refresh()
    await house.catalog.refresh()

    assert [line.message for line in caplog.records] == ["definitions not refreshed"]
    assert isinstance(await house.verdict(action, secret), Permit)
    house.clock.time += STALE + MOMENT
    with pytest.raises(Unavailable, match="keyrelay init"):
        house.catalog.current()


async def test_secrets_of_two_profiles_may_have_the_same_key(house: House) -> None:
    await house.new_secret()
    await house.secrets.create(OTHER_PROFILE, smtp_secret(), ADA)
    await house.catalog.refresh()

    assert len(house.catalog.current().secrets) == 2
