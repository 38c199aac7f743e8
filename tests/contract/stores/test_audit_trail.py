"""The audit trail: read by profile, and wherever it was touched, it says so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.model.analysis import RunOn
from keyrelay.model.cursor import Cursor
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.release import RunPlace
from keyrelay.services.audit import AuditReading
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import TrailEntry
from keyrelay.stores.audit.verification import Verification
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.ground import Ground
from tests.contract.stores.house import House, open_house
from tests.contract.stores.records import attempt, record, release
from tests.samples import ANALYSIS, MAIL_ACTION, NOON, OTHER_PROFILE, PROFILE

# Three chains: that of the founding has 3 + 4 records, the next 3, the last 2.
FIRST = "(SELECT id FROM audit_chains WHERE number = 1)"
SECOND = "(SELECT id FROM audit_chains WHERE number = 2)"
THIRD = "(SELECT id FROM audit_chains WHERE number = 3)"


async def three_chains(ground: Ground) -> None:
    for triggers in (["a", "b", "c", "d"], ["e", "f", "g"], ["h", "i"]):
        async with open_house(ground) as house:
            await record(house, *triggers)


async def verdict_after(ground: Ground, *statements: str) -> Verification:
    await three_chains(ground)
    async with open_house(ground) as house:
        await house.break_in(*statements)
        return await house.trail.verify()


async def test_an_untouched_trail_is_whole(ground: Ground) -> None:
    assert await verdict_after(ground) == Verification(
        records=12, chains=3, breach=None
    )


def remove(chain: str, seq: int) -> str:
    return f"DELETE FROM audit_records WHERE chain = {chain} AND seq = {seq}"  # noqa: S608


def cut(chain: str, seq: int) -> tuple[str, ...]:
    """Cut the chain's end off, and its head with it."""
    return (
        f"DELETE FROM audit_records WHERE chain = {chain} AND seq > {seq}",  # noqa: S608
        f"UPDATE audit_chains SET head_seq = {seq}, head_mac ="  # noqa: S608
        f" (SELECT mac FROM audit_records WHERE chain = {chain} AND seq = {seq})"
        f" WHERE id = {chain}",
    )


def move(chain: str, seq: int, to: int, into: str | None = None) -> str:
    return (
        f"UPDATE audit_records SET chain = {into or chain}, seq = {to}"  # noqa: S608
        f" WHERE chain = {chain} AND seq = {seq}"
    )


def forget(chain: str) -> tuple[str, ...]:
    return (
        f"DELETE FROM audit_records WHERE chain = {chain}",  # noqa: S608
        f"DELETE FROM audit_chains WHERE id = {chain}",  # noqa: S608
    )


def edit(column: str, value: str, chain: str = FIRST, seq: int = 5) -> str:
    return (
        f"UPDATE audit_records SET {column} = {value}"  # noqa: S608
        f" WHERE chain = {chain} AND seq = {seq}"
    )


def copy(chain: str, seq: int, to: int, into: str) -> str:
    return (
        "INSERT INTO audit_records SELECT"  # noqa: S608
        f" {into}, {to}, 'copied', kind, profile, trigger, action, at, document, mac"
        f" FROM audit_records WHERE chain = {chain} AND seq = {seq}"
    )


SWAP = (move(FIRST, 4, 99), move(FIRST, 5, 4), move(FIRST, 99, 5))
SWAP_CHAINS = (
    move(FIRST, 2, 99, SECOND),
    move(SECOND, 2, 2, FIRST),
    move(SECOND, 99, 2),
)


@pytest.mark.parametrize(
    ("statements", "number", "seq", "named", "what"),
    [
        ([edit("document", "replace(document, '250', '251')")], 1, 5, True, "edited"),
        ([edit("document", "'{}'")], 1, 5, True, "edited"),
        ([edit("mac", "x'00'")], 1, 5, True, "edited"),
        ([edit("trigger", "'x'")], 1, 5, True, "columns"),
        ([edit("profile", "'x'")], 1, 5, True, "columns"),
        ([edit("at", "'2031-01-01 00:00:00.000000'")], 1, 5, True, "columns"),
        ([edit("kind", "'change'")], 1, 5, True, "columns"),
        ([edit("action", "NULL")], 1, 5, True, "columns"),
        ([edit("id", "'x'")], 1, 5, True, "columns"),
        ([remove(FIRST, 1)], 1, 1, False, "record 1 is missing"),
        ([remove(SECOND, 2)], 2, 2, False, "record 2 is missing"),
        ([remove(FIRST, 7)], 1, 7, False, "record 7 is missing"),
        ([remove(THIRD, 2)], 3, 2, False, "record 2 is missing"),
        (cut(FIRST, 5), 1, 6, False, "records 6 to 7 are missing"),
        (cut(THIRD, 1), 3, 2, False, "record 2 is missing"),
        (forget(FIRST), 2, 0, False, "the chain before it is missing"),
        (forget(SECOND), 3, 0, False, "the chain before it is missing"),
        (SWAP, 1, 4, True, "moved"),
        (SWAP_CHAINS, 1, 2, True, "moved"),
        ([copy(FIRST, 7, 8, FIRST)], 1, 8, True, "put in"),
        ([copy(FIRST, 7, 3, THIRD)], 3, 3, True, "put in"),
        ([copy(FIRST, 7, 1, "'stray'")], 0, 1, True, "no chain"),
        (
            ["UPDATE audit_chains SET number = 9 WHERE number = 3"],
            9,
            0,
            False,
            "before",
        ),
        (
            ["UPDATE audit_chains SET head_mac = x'00' WHERE number = 2"],
            2,
            3,
            False,
            "not the record",
        ),
        (
            ["UPDATE audit_chains SET after_mac = x'00' WHERE number = 2"],
            1,
            7,
            False,
            "not the record",
        ),
        (
            ["UPDATE audit_chains SET head_seq = 2 WHERE number = 2"],
            2,
            3,
            False,
            "is missing",
        ),
    ],
)
async def test_a_touched_trail_says_where(
    ground: Ground,
    statements: list[str],
    number: int,
    seq: int,
    named: bool,  # noqa: FBT001 - a column of the table
    what: str,
) -> None:
    await three_chains(ground)
    async with open_house(ground) as house:
        await house.break_in(*statements)

        breach = (await house.trail.verify()).breach

        chains = await house.look(
            f"SELECT id FROM audit_chains WHERE number = {number}"  # noqa: S608
        )
    assert breach is not None
    assert what in breach.what
    assert (breach.seq, breach.id is not None) == (seq, named)
    assert [(breach.chain,)] == (chains if number else [("stray",)])


async def test_a_whole_chain_at_the_end_is_missed(ground: Ground) -> None:
    await three_chains(ground)
    async with open_house(ground) as house:
        ((last,),) = await house.look(f"SELECT {THIRD}")
        await house.break_in(*forget(THIRD))

        breach = (await house.trail.verify()).breach

    assert breach is not None
    assert (breach.chain, breach.what) == (last, "records 1 to 2 are missing")


async def test_an_end_that_was_cut_off_and_written_over_is_missed(
    ground: Ground,
) -> None:
    async with open_house(ground) as house:
        await record(house, "a", "b")
        await house.break_in(*cut(FIRST, 4))

        await record(house, "c")

        breach = (await house.trail.verify()).breach
        assert breach is not None
        assert (breach.seq, breach.what) == (5, "record 5 is missing")


async def test_a_trail_without_its_checkpoint_is_not_whole(ground: Ground) -> None:
    await three_chains(ground)
    async with open_house(ground) as house:
        house.audit_log.checkpoint.path.unlink()

        breach = (await house.trail.verify()).breach

        assert breach is not None
        assert breach.what == "the checkpoint file is missing"


async def test_a_trail_can_be_followed_without_any_checkpoint(ground: Ground) -> None:
    await three_chains(ground)
    async with open_house(ground) as house:
        house.audit_log.checkpoint.path.unlink()

        assert (await house.trail.verify(())).breach is None


async def test_a_cut_off_end_shows_in_the_checkpoint_of_the_process_that_wrote_it(
    ground: Ground, tmp_path: Path
) -> None:
    await three_chains(ground)
    async with open_house(ground) as house:
        ours = house.audit_log.checkpoint
        theirs = CheckpointFile(ours.path.rename(tmp_path / "worker-2.checkpoint"))
        await house.break_in(*cut(THIRD, 1))

        alone = (await house.trail.verify(())).breach
        compared = (await house.trail.verify([theirs])).breach

    assert alone is None
    assert compared is not None
    assert compared.what == "record 2 is missing"


async def test_a_forged_checkpoint_is_a_breach(ground: Ground) -> None:
    await three_chains(ground)
    async with open_house(ground) as house:
        house.audit_log.checkpoint.path.write_text('{"heads": [], "mac": "00"}')

        breach = (await house.trail.verify()).breach

        assert breach is not None
        assert "altered" in breach.what


async def test_a_trail_longer_than_one_reading_is_verified(house: House) -> None:
    await house.audit_log.keep_records(
        [attempt(f"t{number}") for number in range(1100)]
    )
    await house.break_in(edit("document", "'{}'", FIRST, 1050))

    breach = (await house.trail.verify()).breach

    assert breach is not None
    assert breach.seq == 1050


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (AuditQuery(kind="attempt"), ["t3", "t2", "t1"]),
        (AuditQuery(kind="attempt", amount=2), ["t3", "t2"]),
        (AuditQuery(trigger="t2"), ["t2"]),
        (AuditQuery(action=MAIL_ACTION), ["t3", "t2", "t1"]),
        (AuditQuery(action="0" * 24), []),
        (AuditQuery(kind="attempt", since=NOON), ["t3", "t2", "t1"]),
        (AuditQuery(kind="attempt", since=NOON + timedelta(seconds=1)), []),
    ],
)
async def test_records_are_listed_newest_first(
    house: House, query: AuditQuery, found: list[str]
) -> None:
    await record(house, "t1", "t2", "t3")

    entries = await house.trail.list(PROFILE, query)

    assert [entry.document["trigger"] for entry in entries] == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (AuditQuery(kind="release"), ["r3", "r2", "r1"]),
        (AuditQuery(action=ANALYSIS), ["r2", "r1"]),
        (AuditQuery(action=MAIL_ACTION, kind="release"), []),
        (AuditQuery(trigger="r1"), []),
    ],
)
async def test_releases_are_listed_by_the_analysis_of_their_run(
    house: House, query: AuditQuery, found: list[str]
) -> None:
    elsewhere = RunPlace(run_on=RunOn.EXTERNAL, address="192.0.2.7:52010")
    to_ours = [release("r1"), release("r2", elsewhere)]
    await house.audit_log.keep_records(
        [attempt("t1"), *to_ours, release("r3", analysis="2" * 24)]
    )

    entries = await house.trail.list(PROFILE, query)

    assert [entry.document["run"] for entry in entries] == found


async def test_a_release_that_was_altered_is_a_breach(house: House) -> None:
    await house.audit_log.keep_records([release("r1")])
    sound = await house.trail.verify()
    await house.break_in(
        "UPDATE audit_records SET document = replace(document, 'hosted', 'hosted?')"
        " WHERE kind = 'release'"
    )

    assert sound.breach is None
    assert (await house.trail.verify()).breach is not None


@pytest.mark.parametrize("kind", ["attempt", None])
async def test_a_list_goes_on_after_a_record_whatever_is_recorded_meanwhile(
    ground: Ground, kind: str | None
) -> None:
    await three_chains(ground)  # all in one moment
    async with open_house(ground) as house:
        query = AuditQuery(kind=kind, amount=2)
        whole = await house.trail.list(PROFILE, replace(query, amount=100))
        found = list[TrailEntry]()
        while page := await house.trail.list(PROFILE, query):
            found += page
            query = replace(query, after=page[-1].place)
            house.clock.time += timedelta(seconds=1)
            await record(house, f"later-{len(found)}")

    assert found == [*whole]


async def test_what_is_no_place_of_a_record_is_refused(house: House) -> None:
    for id_ in ("", "t1", f"{'a' * 24}.", f"{'a' * 24}.-1", f"{'a' * 24}.{'9' * 19}"):
        query = AuditQuery(after=Cursor(NOON, id_))
        with pytest.raises(InvalidDefinition, match="`next` of a page of this list"):
            await house.trail.list(PROFILE, query)


async def test_a_list_goes_on_after_records_that_cannot_be_read(house: House) -> None:
    await record(house, "t1", "t2", "t3")
    await house.break_in(edit("document", "'{'", FIRST, 5))
    reading = AuditReading(trail=house.trail)

    every = [entry.id async for entry in reading.records(PROFILE, AuditQuery())]
    (first, second) = await house.trail.list(PROFILE, AuditQuery(amount=2))
    rest = await house.trail.list(PROFILE, AuditQuery(after=second.place))

    assert second.document["unreadable"]
    assert [first.id, second.id, *(entry.id for entry in rest)] == every


async def test_a_record_is_shown_by_its_id(house: House) -> None:
    await record(house, "t1")
    (listed,) = await house.trail.list(PROFILE, AuditQuery(kind="attempt"))

    assert await house.trail.get(PROFILE, listed.id) == listed
    assert listed.document["receipt"] == "250 taken"


async def test_records_do_not_cross_profiles(house: House) -> None:
    theirs = attempt("theirs", OTHER_PROFILE)
    await group_commits(house.audit_log).append(theirs)

    assert await house.trail.list(PROFILE, AuditQuery(trigger="theirs")) == ()
    with pytest.raises(NotFound, match="there is no audit record"):
        await house.trail.get(PROFILE, theirs.id)


async def test_a_record_that_was_made_unreadable_can_still_be_found(
    house: House,
) -> None:
    await record(house, "t1")
    await house.break_in(edit("document", "'{'", FIRST, 4))

    (entry,) = await house.trail.list(PROFILE, AuditQuery(trigger="t1"))

    assert entry.document["kind"] == "attempt"
    stored = entry.document["stored"]
    assert isinstance(stored, Mapping)
    assert (stored["id"], stored["document"]) == (entry.id, "{")
