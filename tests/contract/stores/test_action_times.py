"""Times of actions: refused when they are written, and harmless where they stand."""

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.stores.definitions.stored_document import StoredDocument
from tests.contract.stores.house import ADA, House, mail_action
from tests.samples import PROFILE

DAILY = [{"cron": "0 9 * * *", "timezone": "Europe/Berlin", "more": ["kept"]}]


async def new_action(house: House, **more: object) -> str:
    document = {**mail_action(await house.new_secret()), **more}
    return (await house.actions.create(PROFILE, document, ADA)).id


async def test_a_trigger_is_kept_as_it_was_sent(house: House) -> None:
    id_ = await new_action(house, type="schedule", trigger=DAILY)

    stored = await house.actions.get(PROFILE, id_)

    assert isinstance(stored, StoredDocument)
    assert stored.document["trigger"] == DAILY


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"type": "schedule", "trigger": [{"cron": "daily"}]}, "cron has five fields"),
        (
            {"trigger": [{"cron": "0 9 * * *", "timezone": "Berlin"}]},
            "timezone must be a name",
        ),
        ({"type": "interval"}, "an entry of trigger says its interval"),
    ],
)
async def test_times_that_cannot_be_read_are_refused_in_each_way_of_writing(
    house: House, fields: dict[str, object], sentence: str
) -> None:
    id_ = await new_action(house, type="schedule", trigger=DAILY)
    whole = {"type": "schedule", "trigger": DAILY, **fields}
    new = {**mail_action(await house.new_secret("other")), **whole}

    with pytest.raises(InvalidDefinition, match=sentence):
        await house.actions.create(PROFILE, new, ADA)
    with pytest.raises(InvalidDefinition, match=sentence):
        await house.actions.edit(PROFILE, id_, fields, ADA)


async def test_an_action_stored_with_such_times_is_still_performed(
    house: House,
) -> None:
    id_ = await new_action(house)
    await house.break_in(
        'UPDATE actions SET document = replace(document, \'"name": "Tell"\','
        ' \'"name": "Tell", "type": "schedule",'
        ' "trigger": [{"cron": "daily"}]\')'
    )
    stored = await house.actions.get(PROFILE, id_)
    assert isinstance(stored, StoredDocument)
    assert stored.document["trigger"] == [{"cron": "daily"}]
    await house.accepting.accept(PROFILE, id_, ADA)

    await house.catalog.refresh()

    assert (PROFILE, id_) in house.catalog.current().actions
