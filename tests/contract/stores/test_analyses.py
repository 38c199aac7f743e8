"""Analyses: kept as they were sent, each with its scripts; what was altered is told."""

from collections.abc import Sequence

import pytest

from keyrelay.model.analysis import RunOn
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.definitions.analyses import ScriptAltered
from keyrelay.stores.definitions.listing import Listing, Order
from keyrelay.stores.definitions.stored_document import StoredDocument, name_of
from keyrelay.stores.integrity import check_definitions
from keyrelay.stores.refusals import NotFound, Outdated
from tests.contract.stores.house import ADA, TAGS, House
from tests.samples import OTHER_PROFILE, PROFILE

BOILER: dict[str, object] = {
    "name": "boiler",
    "tags": TAGS,
    "run_on": "external",
    "variables": [{"key": "LIMIT", "value": 70}],
}


def script(content: bytes = b"print(1)") -> ScriptDraft:
    return ScriptDraft(file_name="main.py", language=Runtime.PYTHON, content=content)


async def new_analysis(house: House, name: str = "boiler", **more: object) -> str:
    document = {**BOILER, "name": name, **more}
    return (await house.analyses.documents.create(PROFILE, document, ADA)).id


async def left_out(house: House) -> Sequence[str]:
    await house.catalog.refresh()
    return [id_ for _, id_ in house.catalog.current().omitted.definitions]


async def test_an_analysis_is_kept_as_it_was_sent(house: House) -> None:
    id_ = await new_analysis(house)

    stored = await house.analyses.documents.get(PROFILE, id_)
    await house.catalog.refresh()

    assert isinstance(stored, StoredDocument)
    assert stored.document == BOILER
    scripted = house.catalog.current().analyses[PROFILE, id_]
    assert scripted.analysis.run_on is RunOn.EXTERNAL
    assert (scripted.versions, scripted.version) == ((), None)
    assert list(await house.analyses.scripted(PROFILE, [id_])) == [id_]
    assert await house.analyses.scripted(OTHER_PROFILE, [id_]) == {}


async def test_an_edit_replaces_what_it_gives_of_what_is_expected(house: House) -> None:
    id_ = await new_analysis(house)
    before = await house.analyses.documents.edit(PROFILE, id_, {"active": False}, ADA)

    after = await house.analyses.documents.edit(
        PROFILE, id_, {"name": "attic"}, ADA, expected=before.etag
    )

    assert after.document == {**BOILER, "active": False, "name": "attic"}
    with pytest.raises(Outdated):
        await house.analyses.documents.edit(
            PROFILE, id_, {"name": "cellar"}, ADA, expected=before.etag
        )
    with pytest.raises(Outdated):
        await house.analyses.documents.delete(PROFILE, id_, ADA, expected=before.etag)
    with pytest.raises(NotFound):
        await house.analyses.documents.edit(OTHER_PROFILE, id_, {"name": "cellar"}, ADA)


async def test_a_name_can_be_asked_for_that_no_other_has(house: House) -> None:
    await new_analysis(house)
    attic = await new_analysis(house, "attic")

    with pytest.raises(InvalidDefinition, match="another analysis of this name"):
        await house.analyses.documents.create(PROFILE, BOILER, ADA, unique=True)
    with pytest.raises(InvalidDefinition, match="another analysis of this name"):
        await house.analyses.documents.edit(PROFILE, attic, BOILER, ADA, unique=True)


async def test_analyses_are_listed_by_where_they_run(house: House) -> None:
    for name, run_on in (("a", "tago"), ("b", "external"), ("c", "tago")):
        await new_analysis(house, name, run_on=run_on)

    async def names(listing: Listing) -> list[str]:
        found = await house.analyses.documents.list(PROFILE, listing)
        return [name_of(each) for each in found]

    assert await names(Listing(exactly={"run_on": RunOn.HOSTED})) == ["a", "c"]
    assert await names(Listing(order=Order(by="run_on"))) == ["b", "a", "c"]


async def test_versions_count_from_1_and_the_newest_runs(house: House) -> None:
    id_ = await new_analysis(house)

    first = await house.analyses.upload(PROFILE, id_, script(b"print(1)"), ADA)
    second = await house.analyses.upload(PROFILE, id_, script(b"print(2)"), ADA)

    assert (first.number, second.number) == (1, 2)
    assert await house.analyses.script(PROFILE, id_) == (second, b"print(2)")
    assert await house.analyses.script(PROFILE, id_, 1) == (first, b"print(1)")
    await house.catalog.refresh()
    scripted = house.catalog.current().analyses[PROFILE, id_]
    assert (scripted.versions, scripted.version) == ((first, second), 2)
    with pytest.raises(InvalidDefinition, match="there are 1 to 2"):
        await house.analyses.script(PROFILE, id_, 3)


async def test_where_nothing_was_uploaded_there_is_no_version(house: House) -> None:
    id_ = await new_analysis(house)

    with pytest.raises(InvalidDefinition, match="upload a script first"):
        await house.analyses.script(PROFILE, id_)
    with pytest.raises(NotFound):
        await house.analyses.upload(OTHER_PROFILE, id_, script(), ADA)
    with pytest.raises(NotFound):
        await house.analyses.script(OTHER_PROFILE, id_)


async def test_an_upload_leaves_a_record_that_names_the_digest(house: House) -> None:
    id_ = await new_analysis(house)
    version = await house.analyses.upload(PROFILE, id_, script(), "eve")

    record, *_ = await house.trail.list(PROFILE, AuditQuery(kind="change"))

    detail = f"boiler: version 1, main.py, sha256 {version.digest}"
    facts = {name: record.document[name] for name in ("actor", "subject", "detail")}
    assert facts == {"actor": "eve", "subject": id_, "detail": detail}


@pytest.mark.parametrize(
    "alteration",
    ["UPDATE scripts SET content = x'00' WHERE version = 1", "DELETE FROM scripts"],
    ids=["edited", "deleted"],
)
async def test_a_script_that_was_altered_by_hand_is_named_and_not_given_out(
    house: House, alteration: str
) -> None:
    id_, guard = await new_analysis(house), house.catalog.guard
    await house.analyses.upload(PROFILE, id_, script(), ADA)
    await house.break_in(alteration)

    with pytest.raises(ScriptAltered, match=f"version 1 of analysis {id_}"):
        await house.analyses.script(PROFILE, id_)
    found = [each async for each in check_definitions(house.database, guard)]
    named = {each.id: each.flaw for each in found if each.flaw is not None}
    assert named == {
        id_: "its script was altered outside Keyrelay: version 1; upload the same again"
    }


async def test_a_digest_that_was_altered_with_its_script_is_not_believed(
    house: House,
) -> None:
    id_, other = await new_analysis(house), await new_analysis(house, "other")
    for each, content in ((id_, b"print(1)"), (other, b"print(2)")):
        await house.analyses.upload(PROFILE, each, script(content), ADA)
    await house.break_in(
        "UPDATE analyses SET versions = (SELECT versions FROM analyses AS theirs"  # noqa: S608
        f" WHERE theirs.id = '{other}') WHERE id = '{id_}'",
        "UPDATE scripts SET content = (SELECT content FROM scripts AS theirs"  # noqa: S608
        f" WHERE theirs.analysis = '{other}') WHERE analysis = '{id_}'",
    )

    assert await left_out(house) == [id_]
    assert (PROFILE, id_) not in house.catalog.current().analyses
    with pytest.raises(InvalidDefinition, match="edited outside Keyrelay"):
        await house.analyses.upload(PROFILE, id_, script(), ADA)


@pytest.mark.parametrize(
    "edit",
    [
        "version = NULL",
        "run_on = 'tago'",
        "document = replace(document, 'LIMIT', 'OTHER')",
    ],
)
async def test_an_analysis_that_was_altered_by_hand_is_not_believed(
    house: House, edit: str
) -> None:
    id_ = await new_analysis(house)
    await house.analyses.upload(PROFILE, id_, script(), ADA)
    await house.break_in(f"UPDATE analyses SET {edit}")  # noqa: S608

    assert await left_out(house) == [id_]
    assert dict(house.catalog.current().analyses) == {}


async def test_where_an_older_row_was_accepted_its_next_version_is_uploaded(
    house: House,
) -> None:
    id_ = await new_analysis(house)
    await house.analyses.upload(PROFILE, id_, script(b"print(1)"), ADA)
    await house.break_in("UPDATE analyses SET versions = '[]', version = NULL")
    await house.accepting.accept(PROFILE, id_, ADA)

    version = await house.analyses.upload(PROFILE, id_, script(b"print(2)"), ADA)

    assert await house.analyses.script(PROFILE, id_) == (version, b"print(2)")


async def flaws_of_scripts(house: House) -> list[str | None]:
    found = check_definitions(house.database, house.catalog.guard)
    return [each.flaw async for each in found if each.flaw is not None]


@pytest.mark.parametrize(
    "how", ["UPDATE scripts SET content = x'00'", "DELETE FROM scripts"]
)
async def test_a_version_that_was_altered_is_whole_once_its_script_is_uploaded_again(
    house: House, how: str
) -> None:
    id_ = await new_analysis(house)
    for content in (b"print(1)", b"print(2)"):
        await house.analyses.upload(PROFILE, id_, script(content), ADA)
    await house.break_in(f"{how} WHERE version = 1")

    version = await house.analyses.upload(PROFILE, id_, script(b"print(1)"), ADA)

    assert version.number == 3
    assert await flaws_of_scripts(house) == []
    for number, content in ((1, b"print(1)"), (2, b"print(2)"), (3, b"print(1)")):
        assert (await house.analyses.script(PROFILE, id_, number))[1] == content


async def test_what_was_left_of_a_version_that_is_uploaded_again_is_no_hindrance(
    house: House,
) -> None:
    id_ = await new_analysis(house)
    await house.analyses.upload(PROFILE, id_, script(b"print(1)"), ADA)
    same = b"print(1)".hex()
    await house.break_in(f"INSERT INTO scripts VALUES ('{id_}', 2, x'{same}')")  # noqa: S608

    await house.analyses.upload(PROFILE, id_, script(b"print(1)"), ADA)

    assert await flaws_of_scripts(house) == []


@pytest.mark.parametrize("remedy", ["upload", "accept", "accept all"])
async def test_a_script_that_was_put_in_is_named_never_read_and_can_be_removed(
    house: House, remedy: str
) -> None:
    id_ = await new_analysis(house)
    await house.analyses.upload(PROFILE, id_, script(b"print(1)"), ADA)
    await house.break_in(f"INSERT INTO scripts VALUES ('{id_}', 7, x'00')")  # noqa: S608

    flaws = await flaws_of_scripts(house)
    with pytest.raises(InvalidDefinition, match="there is no such version"):
        await house.analyses.script(PROFILE, id_, 7)
    match remedy:
        case "upload":
            await house.analyses.upload(PROFILE, id_, script(b"print(2)"), ADA)
        case "accept":
            await house.accepting.accept(PROFILE, id_, ADA)
        case _:
            await house.accepting.accept_all(PROFILE, ADA)

    assert flaws == ["a script was put in outside Keyrelay: version 7"]
    assert await flaws_of_scripts(house) == []
    assert (await house.analyses.script(PROFILE, id_, 1))[1] == b"print(1)"


async def test_a_deleted_analysis_takes_its_scripts_with_it(house: House) -> None:
    id_ = await new_analysis(house)
    await house.analyses.upload(PROFILE, id_, script(), ADA)

    await house.analyses.documents.delete(PROFILE, id_, ADA)

    assert await house.look("SELECT * FROM scripts") == []
    with pytest.raises(NotFound, match=f"there is no analysis {id_}"):
        await house.analyses.script(PROFILE, id_)
    assert await left_out(house) == []
