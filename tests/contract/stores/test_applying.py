"""Applying: analyses and what names them, made on each database as a document says."""

from collections.abc import Sequence

from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.services.applying import AppliedEntry, Applying, ApplyStep
from keyrelay.services.definition_entries import (
    Document,
    entries_document,
    parse_entries,
)
from keyrelay.services.standing import DefinitionReading
from keyrelay.stores.audit.record_query import AuditQuery
from tests.contract.stores.house import ADA, TAGS, House
from tests.samples import OTHER_PROFILE, PROFILE

ALL_BYTES = bytes(range(256)) * 40


def stores_of(house: House) -> DefinitionReading:
    return DefinitionReading(
        secrets=house.secrets,
        analyses=house.analyses,
        actions=house.actions,
        policies=house.policies,
    )


async def applied(
    house: House, document: Document, profile: str = PROFILE, *, trial: bool = False
) -> Sequence[AppliedEntry]:
    applying = Applying(
        stores=stores_of(house), profile=profile, actor=ADA, trial=trial
    )
    wanted = parse_entries(document)
    return [each async for each in applying.apply(wanted)]


async def exported(house: House, profile: str = PROFILE) -> Document:
    standing = await stores_of(house).read_whole(profile)
    return entries_document(standing.entries)


async def furnish(house: House) -> str:
    boiler = {"name": "boiler", "tags": TAGS, "runtime": "python-rt2025"}
    id_ = (await house.analyses.documents.create(PROFILE, boiler, ADA)).id
    draft = ScriptDraft(
        file_name="bundle.zip", language=Runtime.NODE, content=ALL_BYTES
    )
    await house.analyses.upload(PROFILE, id_, draft, ADA)
    allow = {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
    policy = {
        "name": "boiler reads",
        "targets": [["analysis", "id", id_]],
        "permissions": [allow],
    }
    await house.policies.create(PROFILE, policy, ADA)
    return id_


async def recorded(house: House) -> Sequence[object]:
    both = (PROFILE, OTHER_PROFILE)
    return [await house.trail.list(each, AuditQuery(kind="change")) for each in both]


def steps(said: Sequence[AppliedEntry]) -> Sequence[tuple[str, ApplyStep, str]]:
    return [(each.entry.name, each.step, each.detail) for each in said]


async def test_scripts_arrive_in_another_profile_byte_for_byte_and_only_once(
    house: House,
) -> None:
    await furnish(house)
    document = await exported(house)

    first = await applied(house, document, OTHER_PROFILE)
    records = await recorded(house)
    again = await applied(house, document, OTHER_PROFILE)

    assert {each.step for each in first} == {ApplyStep.CREATED}
    assert {each.step for each in again} == {ApplyStep.UNCHANGED}
    assert await recorded(house) == records
    id_ = first[0].entry.id or ""
    version, content = await house.analyses.script(OTHER_PROFILE, id_)
    assert (version.number, version.file_name) == (1, "bundle.zip")
    assert (version.language, content) == (Runtime.NODE, ALL_BYTES)
    there = (await house.policies.get(OTHER_PROFILE, first[1].entry.id or "")).document
    assert there["targets"] == [["analysis", "id", id_]]


async def test_a_script_that_a_crash_left_out_is_uploaded_by_the_next_one(
    house: House,
) -> None:
    await furnish(house)
    document = await exported(house)
    boiler = {"name": "boiler", "tags": TAGS, "runtime": "python-rt2025"}
    id_ = (await house.analyses.documents.create(OTHER_PROFILE, boiler, ADA)).id

    said = await applied(house, document, OTHER_PROFILE)

    assert steps(said)[0] == ("boiler", ApplyStep.CHANGED, "script")
    assert (await house.analyses.script(OTHER_PROFILE, id_))[1] == ALL_BYTES


async def test_a_trial_writes_no_analysis_and_no_script(house: House) -> None:
    id_ = await furnish(house)
    document = await exported(house)
    script = {"file_name": "main.py", "file": "cHJpbnQoMik="}
    boiler = {"id": id_, "name": "boiler", "tags": TAGS, "script": script}
    changed = {**document, "analyses": [boiler]}
    records = await recorded(house)

    there = await applied(house, changed, trial=True)
    elsewhere = await applied(house, changed, OTHER_PROFILE, trial=True)

    assert steps(there)[0] == ("boiler", ApplyStep.CHANGED, "script")
    assert {each.step for each in elsewhere} == {ApplyStep.CREATED}
    assert await recorded(house) == records
    assert (await house.analyses.script(PROFILE, id_))[0].number == 1


async def test_versions_that_cannot_be_read_are_named_and_stay_as_they_are(
    house: House,
) -> None:
    id_ = await furnish(house)
    document = await exported(house)
    await house.break_in("UPDATE analyses SET versions = '1'")

    standing = await stores_of(house).read_whole(PROFILE)
    said = await applied(house, document)

    assert "its list of versions was altered" in standing.unreadable[id_]
    assert [each.step for each in said] == [ApplyStep.REFUSED, ApplyStep.REFUSED]
    assert "its list of versions was altered" in said[0].detail
