"""Rows altered behind Keyrelay's back: no run begins by them, or is given anything."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from keyrelay.engine.releasing import Releasing
from keyrelay.engine.run_pipeline import RUNS, RunPipeline
from keyrelay.model.analysis import RunOn
from keyrelay.model.audit import Report
from keyrelay.model.catalog import Catalog
from keyrelay.model.ids import new_id
from keyrelay.model.outcome import Rejected
from keyrelay.model.revision import Revision
from keyrelay.model.run import RunCause, RunOrder, RunOrigin
from keyrelay.model.uploaded_script import Runtime, ScriptDraft, version_of
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.definitions.scripts import read_script
from keyrelay.stores.definitions.stored_document import id_of
from tests.contract.stores.house import ADA, House
from tests.contract.stores.test_definition_index import flaws, read_anew
from tests.fakes import FakeLease, Story, stay
from tests.samples import NOON, PROFILE, a_trigger
from tests.unit.engine.test_run_pipeline import FakeStage

SCRIPT = ScriptDraft(file_name="main.py", language=Runtime.PYTHON, content=b"print(1)")
VARIABLE = [{"key": "limit", "value": 8}]


def policy(effect: str) -> dict[str, object]:
    permission = {"effect": effect, "action": ["access"], "resource": ["secrets"]}
    return {
        "name": effect,
        "targets": [["analysis"]],
        "permissions": [permission],
    }


async def furnish(house: House) -> Mapping[str, str]:
    """Return the ids of an analysis with two scripts, a secret, and an allowing policy.

    Beside the row of each is an older one, which was in its place.
    """
    secret = {"key": "password", "type": "text", "value": "old"}
    tags = [{"key": "site", "value": "north"}]
    made = await house.secrets.create(PROFILE, {**secret, "tags": tags}, ADA)
    allowing = await house.policies.create(PROFILE, policy("allow"), ADA)
    analyses = house.analyses.documents
    document = {"name": "rooms", "variables": VARIABLE}
    analysis = id_of(await analyses.create(PROFILE, document, ADA))
    await house.analyses.upload(PROFILE, analysis, SCRIPT, ADA)
    await house.break_in(
        *[
            f"CREATE TABLE old_{table} AS SELECT * FROM {table}"  # noqa: S608
            for table in ("secrets", "policies", "analyses")
        ]
    )
    ids = {"secrets": made.secret.id, "policies": allowing.id, "analyses": analysis}
    await house.secrets.edit(PROFILE, ids["secrets"], {"value": "new"}, ADA)
    await house.policies.edit(PROFILE, ids["policies"], {"name": "newer"}, ADA)
    await analyses.edit(PROFILE, analysis, {"description": "newer"}, ADA)
    await house.analyses.upload(PROFILE, analysis, SCRIPT, ADA)
    return ids


async def ran(house: House, analysis: str, stage: FakeStage) -> Report:
    """Run it as a process does that begins now."""
    catalog, world = await read_anew(house), house.audit_log.world
    order = RunOrder(
        id=new_id(NOON),
        profile=PROFILE,
        analysis=analysis,
        run_on=RunOn.HOSTED,
        cause=RunCause(
            origin=RunOrigin.REQUEST,
            asked_at=NOON,
            deadline=NOON + timedelta(hours=1),
        ),
        scope="[]",
    )

    async def current(_: Revision | None) -> Catalog:
        return catalog

    async def ordered(_: str, __: str) -> RunOrder:
        return order

    pipeline = RunPipeline(
        catalog=current,
        order=ordered,
        releasing=Releasing(
            vault=house.audit_log.vault,
            audit=group_commits(house.audit_log),
            world=world,
        ),
        stage=stage,
        schedule=RUNS,
        now=world.now,
    )
    trigger = a_trigger(action=analysis, id_=order.id)
    return await pipeline.attempt(FakeLease(trigger=trigger), stay)


async def releases(house: House) -> int:
    counted = "SELECT count(*) FROM audit_records WHERE kind = 'release'"
    ((count,),) = await house.look(counted)
    assert isinstance(count, int)
    return count


async def test_of_sound_rows_a_run_begins_with_its_secret(house: House) -> None:
    ids, stage = await furnish(house), FakeStage(Story())

    await ran(house, ids["analyses"], stage)

    (run,) = stage.runs
    assert run.environment.revealed() == [("password", "new"), ("limit", 8)]
    assert run.scripted.version == 2
    assert await releases(house) == 1
    assert await flaws(house) == []


OF_THE_ANALYSIS = [
    "UPDATE analyses SET document = replace(document, '8', '9')",
    "UPDATE analyses SET versions = replace(versions, 'main.py', 'evil.py')",
    "UPDATE analyses SET version = 1",
    "UPDATE analyses SET run_on = 'external'",
    "UPDATE analyses SET active = false",
    "DELETE FROM analyses",
]


@pytest.mark.parametrize("statement", OF_THE_ANALYSIS)
async def test_an_analysis_that_was_edited_or_taken_out_is_not_run(
    house: House, statement: str
) -> None:
    ids, stage = await furnish(house), FakeStage(Story())
    await house.break_in(statement)

    await is_refused(house, ids["analyses"], stage)


async def test_an_analysis_that_was_put_back_is_not_run(house: House) -> None:
    ids, stage = await furnish(house), FakeStage(Story())
    await put_back(house, "analyses")

    await is_refused(house, ids["analyses"], stage)


async def test_an_analysis_that_was_put_in_is_not_run(house: House) -> None:
    await furnish(house)
    stage = FakeStage(Story())
    await house.break_in(
        "UPDATE old_analyses SET id = 'ffff', name = 'x'",
        "INSERT INTO analyses SELECT * FROM old_analyses",
    )

    report = await ran(house, "ffff", stage)

    assert isinstance(report.outcome, Rejected)
    assert stage.runs == []
    assert "ffff" in {each.id for each in await flaws(house)}


async def put_back(house: House, table: str) -> None:
    await house.break_in(
        f"DELETE FROM {table}",  # noqa: S608 - a word of the test's own
        f"INSERT INTO {table} SELECT * FROM old_{table}",  # noqa: S608
    )


async def is_refused(house: House, analysis: str, stage: FakeStage) -> None:
    report = await ran(house, analysis, stage)

    assert isinstance(report.outcome, Rejected)
    assert stage.runs == []
    assert await releases(house) == 0
    assert analysis in {each.id for each in await flaws(house)}


OF_SECRETS_AND_POLICIES = [
    ("secrets", "UPDATE secrets SET tags = '{\"tags\": []}'"),
    ("secrets", "UPDATE secrets SET version = 1"),
    ("secrets", "UPDATE secrets SET key = 'limits'"),
    ("secrets", "DELETE FROM secrets"),
    ("policies", "UPDATE policies SET document = replace(document, 'access', '*')"),
    ("policies", "DELETE FROM policies"),
    ("secrets", "put back"),
    ("policies", "put back"),
]


@pytest.mark.parametrize(("table", "how"), OF_SECRETS_AND_POLICIES)
async def test_what_was_done_to_a_secret_or_policy_releases_nothing(
    house: House, table: str, how: str
) -> None:
    ids, stage = await furnish(house), FakeStage(Story())
    if how == "put back":
        await put_back(house, table)
    else:
        await house.break_in(how)

    await ran(house, ids["analyses"], stage)

    given = [run.environment.revealed() for run in stage.runs]
    assert given in ([], [[("limit", 8)]])
    assert await releases(house) == 0
    assert ids[table] in {each.id for each in await flaws(house)}


async def test_a_denying_policy_that_was_taken_out_releases_nothing(
    house: House,
) -> None:
    ids, stage = await furnish(house), FakeStage(Story())
    denying = await house.policies.create(PROFILE, policy("deny"), ADA)
    await house.break_in(f"DELETE FROM policies WHERE id = '{denying.id}'")  # noqa: S608

    await ran(house, ids["analyses"], stage)

    given = [run.environment.revealed() for run in stage.runs]
    assert given in ([], [[("limit", 8)]])
    assert await releases(house) == 0
    assert denying.id in {each.id for each in await flaws(house)}


async def test_a_policy_that_was_put_in_releases_nothing(house: House) -> None:
    ids, stage = await furnish(house), FakeStage(Story())
    await house.policies.delete(PROFILE, ids["policies"], ADA)
    await house.break_in(
        "UPDATE old_policies SET id = 'ffff'",
        "INSERT INTO policies SELECT * FROM old_policies",
    )

    await ran(house, ids["analyses"], stage)

    assert await releases(house) == 0
    assert "ffff" in {each.id for each in await flaws(house)}


@pytest.mark.parametrize(
    "statement", ["UPDATE scripts SET content = x'00'", "DELETE FROM scripts"]
)
async def test_a_script_whose_content_was_altered_is_not_read_and_is_named(
    house: House, statement: str
) -> None:
    ids = await furnish(house)
    await house.break_in(statement)

    scripted = (await read_anew(house)).analyses[PROFILE, ids["analyses"]]
    version = version_of(scripted.versions, scripted.version or 0)
    async with house.database.reading() as connection:
        content = await read_script(connection, ids["analyses"], version)

    named = {each.id: str(each.flaw) for each in await flaws(house)}
    assert content is None
    assert named.keys() == {ids["analyses"]}
    assert "its script was altered" in named[ids["analyses"]]


async def test_all_of_it_together_is_all_named(house: House) -> None:
    ids, stage = await furnish(house), FakeStage(Story())
    for table in ("secrets", "policies", "analyses"):
        await put_back(house, table)

    await is_refused(house, ids["analyses"], stage)

    assert {each.id for each in await flaws(house)} == {*ids.values()}
