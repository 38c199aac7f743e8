"""Actions of type `script` and the analyses that they name."""

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.stores.refusals import InUse, NotFound
from tests.contract.stores.house import ADA, House, mail_action
from tests.samples import OTHER_PROFILE, PROFILE


def running(*analyses: str, name: str = "Run") -> dict[str, object]:
    return {"name": name, "action": {"type": "script", "script": [*analyses]}}


async def new_analysis(house: House, profile: str = PROFILE) -> str:
    document = {"name": "boiler", "run_on": "external"}
    return (await house.analyses.documents.create(profile, document, ADA)).id


async def test_an_action_names_analyses_of_its_own_profile(house: House) -> None:
    ours, theirs = await new_analysis(house), await new_analysis(house, OTHER_PROFILE)

    action = await house.actions.create(PROFILE, running(ours), ADA)

    for missing in (theirs, "0" * 24):
        with pytest.raises(InvalidDefinition, match=f"there is no analysis {missing}"):
            await house.actions.create(PROFILE, running(ours, missing), ADA)
        with pytest.raises(InvalidDefinition, match=f"there is no analysis {missing}"):
            await house.actions.edit(PROFILE, action.id, running(missing), ADA)
    await house.catalog.refresh()
    assert (PROFILE, action.id) in house.catalog.current().actions


async def test_an_analysis_that_actions_run_is_not_deleted(house: House) -> None:
    id_, other = await new_analysis(house), await new_analysis(house)
    for name in "abcd":
        await house.actions.create(PROFILE, running(other, id_, name=name), ADA)

    with pytest.raises(InUse, match="run this analysis: 'a', 'b', 'c' and others; "):
        await house.analyses.documents.delete(PROFILE, id_, ADA)

    assert await house.analyses.token(PROFILE, id_, ADA)
    assert [name for (name,) in await house.look("SELECT name FROM analyses")] == [
        "boiler",
        "boiler",
    ]


async def test_an_analysis_that_is_only_mentioned_is_deleted(house: House) -> None:
    id_, other = await new_analysis(house), await new_analysis(house)
    said = {**running(other), "description": id_, "trigger": [{"analysis": id_}]}
    await house.actions.create(PROFILE, said, ADA)
    action = await house.actions.create(PROFILE, running(id_, other), ADA)
    mail = mail_action(await house.new_secret())
    await house.actions.edit(PROFILE, action.id, {"action": mail["action"]}, ADA)

    await house.analyses.documents.delete(PROFILE, id_, ADA)

    with pytest.raises(NotFound):
        await house.analyses.documents.get(PROFILE, id_)
