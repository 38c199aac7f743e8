"""Definitions: kept as written, within their profile, each change with its record."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.policy_document import parse_policy
from keyrelay.model.policy.reach import Reach, Selection
from keyrelay.model.tags import Tag
from keyrelay.ports import Unsealable
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.definitions.actions import ActionStore
from keyrelay.stores.definitions.listing import Listing, Noun, Order, Page, PartOfTag
from keyrelay.stores.definitions.policies import PolicyStore
from keyrelay.stores.definitions.reaching import MOST_REACHED_BY
from keyrelay.stores.definitions.secrets import etag_of as secret_etag_of
from keyrelay.stores.definitions.secrets import readable
from keyrelay.stores.definitions.stored_document import etag_of, id_of
from keyrelay.stores.definitions.tag_keys import tag_keys
from keyrelay.stores.last_times import LastTimes
from keyrelay.stores.refusals import EditedMeanwhile, InUse, NotFound, Outdated
from keyrelay.stores.unreadable import UnreadableRow, require_readable
from tests.contract.stores.ground import Ground
from tests.contract.stores.house import (
    ADA,
    CANARY,
    FIFO_VALUE,
    SMTP_VALUE,
    SQS_VALUE,
    TAGS,
    House,
    allow,
    mail_action,
    smtp_secret,
)
from tests.samples import NOON, OTHER_PROFILE, PROFILE

NOUNS = ["secret", "action", "policy"]
SECOND = timedelta(seconds=1)


class Store(Protocol):
    async def create(
        self, profile: str, document: Mapping[str, object], actor: str
    ) -> object: ...
    async def edit(
        self,
        profile: str,
        id_: str,
        changes: Mapping[str, object],
        actor: str,
        *,
        expected: str | None = None,
    ) -> object: ...
    async def delete(
        self, profile: str, id_: str, actor: str, *, expected: str | None = None
    ) -> None: ...
    async def get(self, profile: str, id_: str) -> object: ...
    async def list(self, profile: str, listing: Listing) -> tuple[object, ...]: ...


def store(house: House, noun: str) -> Store:
    stores: dict[str, Store] = {
        "secret": house.secrets,
        "action": house.actions,
        "policy": house.policies,
    }
    return stores[noun]


def documents(house: House, noun: str) -> ActionStore | PolicyStore:
    return house.actions if noun == "action" else house.policies


async def new(house: House, noun: str, name: str = "one") -> str:
    if noun == "secret":
        return await house.new_secret(name)
    if noun == "policy":
        return (await house.policies.create(PROFILE, allow(name), ADA)).id
    secret = await house.new_secret(f"for-{name}")
    return (await house.actions.create(PROFILE, mail_action(secret, name), ADA)).id


def an_edit(noun: str) -> Mapping[str, object]:
    return {"tags": [{"key": "new", "value": "tag"}]} if noun else {}


async def last_record(house: House) -> Mapping[str, object]:
    ((document,),) = await house.look(
        "SELECT id FROM audit_records ORDER BY seq DESC LIMIT 1"
    )
    return (await house.trail.get(PROFILE, str(document))).document


@pytest.mark.parametrize("noun", NOUNS)
async def test_each_change_leaves_a_record_of_who_did_it(
    house: House, noun: str
) -> None:
    id_ = await new(house, noun)
    created = await last_record(house)
    await store(house, noun).edit(PROFILE, id_, an_edit(noun), "bob")
    edited = await last_record(house)
    await store(house, noun).delete(PROFILE, id_, "eve")
    deleted = await last_record(house)

    facts = [
        (record["change"], record["actor"], record["noun"], record["subject"])
        for record in (created, edited, deleted)
    ]
    assert facts == [
        ("created", ADA, noun, id_),
        ("edited", "bob", noun, id_),
        ("deleted", "eve", noun, id_),
    ]


@pytest.mark.parametrize("noun", NOUNS)
async def test_what_belongs_to_a_profile_is_not_there_for_another(
    house: House, noun: str
) -> None:
    id_ = await new(house, noun)
    theirs = store(house, noun)

    with pytest.raises(NotFound, match=f"there is no {noun} {id_}"):
        await theirs.get(OTHER_PROFILE, id_)
    with pytest.raises(NotFound):
        await theirs.edit(OTHER_PROFILE, id_, an_edit(noun), ADA)
    with pytest.raises(NotFound):
        await theirs.delete(OTHER_PROFILE, id_, ADA)
    assert await theirs.list(OTHER_PROFILE, Listing()) == ()

    assert len(await theirs.list(PROFILE, Listing())) == 1


@pytest.mark.parametrize("noun", NOUNS)
async def test_what_was_deleted_is_gone(house: House, noun: str) -> None:
    id_ = await new(house, noun)

    await store(house, noun).delete(PROFILE, id_, ADA)

    with pytest.raises(NotFound):
        await store(house, noun).get(PROFILE, id_)
    assert await house.look(f"SELECT * FROM tags WHERE subject = '{id_}'") == []  # noqa: S608


@pytest.mark.parametrize("noun", NOUNS)
async def test_nothing_is_kept_for_a_profile_that_is_not_there(
    house: House, noun: str
) -> None:
    documents = {
        "secret": smtp_secret(),
        "action": mail_action("5" * 24),
        "policy": allow(),
    }

    with pytest.raises(NotFound, match="there is no profile"):
        await store(house, noun).create("0" * 24, documents[noun], ADA)


@pytest.mark.parametrize("noun", NOUNS)
async def test_an_edit_of_nothing_is_refused(house: House, noun: str) -> None:
    id_ = await new(house, noun)

    with pytest.raises(InvalidDefinition):
        await store(house, noun).edit(PROFILE, id_, {}, ADA)


@pytest.mark.parametrize("noun", NOUNS)
async def test_an_invalid_edit_changes_nothing(house: House, noun: str) -> None:
    id_ = await new(house, noun)
    before = await store(house, noun).get(PROFILE, id_)

    with pytest.raises(InvalidDefinition):
        await store(house, noun).edit(PROFILE, id_, {"tags": "none"}, ADA)

    assert await store(house, noun).get(PROFILE, id_) == before


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize(
    ("listing", "found"),
    [
        (Listing(), ["a_b", "axb", "Beta", "gamma"]),
        (Listing(order=Order(descending=True)), ["gamma", "Beta", "axb", "a_b"]),
        (Listing(page=Page(1, 2)), ["a_b", "axb"]),
        (Listing(page=Page(2, 2)), ["Beta", "gamma"]),
        (Listing(name="*A*"), ["a_b", "axb", "Beta", "gamma"]),
        (Listing(name="*et*"), ["Beta"]),
        (Listing(name="a_b"), ["a_b"]),
        (Listing(name="a_*"), ["a_b"]),
        (Listing(name="a%"), []),
        (Listing(name="beta"), ["Beta"]),
        (Listing(tags=(Tag("new", "tag"),)), ["Beta"]),
        (Listing(tags=(Tag("new", "other"),)), []),
        (Listing(tags=(Tag("new", "tag"), Tag("old", "tag"))), []),
        (Listing(tags=(PartOfTag(key="new"),)), ["Beta"]),
        (Listing(tags=(PartOfTag(value="tag"),)), ["Beta"]),
        (Listing(tags=(PartOfTag(key="tag"),)), []),
        (Listing(tags=(PartOfTag(key="new"), PartOfTag(value="other"))), []),
        (Listing(name="B*t*"), ["Beta"]),
        (Listing(exactly={"id": "0" * 24}), []),
        (Listing(name="*b*a*"), ["Beta"]),
        (Listing(name="be*beta"), []),
        (Listing(name="*" * 400), ["a_b", "axb", "Beta", "gamma"]),
        (Listing(name="*" * 400 + "x" + "*" * 400), ["axb"]),
        (Listing(name="x" * 301), []),
        (Listing(name="\ud800*"), []),
    ],
    ids=str,
)
async def test_lists_are_ordered_paged_and_filtered(
    house: House, noun: str, listing: Listing, found: list[str]
) -> None:
    ids = {name: await new(house, noun, name) for name in ("gamma", "Beta", "axb")}
    ids["a_b"] = await new(house, noun, "a_b")
    await store(house, noun).edit(PROFILE, ids["Beta"], an_edit(noun), ADA)

    things = await store(house, noun).list(PROFILE, listing)

    wanted = [await store(house, noun).get(PROFILE, ids[name]) for name in found]
    if noun == "action":  # its secrets are secrets of this profile, too
        assert len(await house.secrets.list(PROFILE, Listing())) == 4
    assert list(things) == wanted


NONE = Selection(everything=False, ids=frozenset(), tags=frozenset())
ALL = replace(NONE, everything=True)
NEW = replace(NONE, tags=frozenset({Tag("new", "tag"), Tag("new", "none")}))


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize(
    ("allowed", "denied", "found"),
    [
        (ALL, NONE, ["axb", "Beta", "gamma"]),
        (NONE, NONE, []),
        (ALL, ALL, []),
        (NEW, NONE, ["Beta"]),
        (ALL, NEW, ["axb", "gamma"]),
        (NEW, NEW, []),
        (NEW, ALL, []),
    ],
    ids=[
        "all",
        "nothing",
        "all, and all denied",
        "new ones",
        "all, new ones denied",
        "new ones, and denied",
        "new ones, all denied",
    ],
)
async def test_a_list_holds_what_is_allowed_less_what_is_denied_on_all_its_pages(
    house: House, noun: str, allowed: Selection, denied: Selection, found: list[str]
) -> None:
    ids = {name: await new(house, noun, name) for name in ("gamma", "Beta", "axb")}
    await store(house, noun).edit(PROFILE, ids["Beta"], an_edit(noun), ADA)
    reach = Reach(allowed=allowed, denied=denied)

    listed = [
        thing
        for number in (1, 2, 3, 4)
        for thing in await store(house, noun).list(
            PROFILE, Listing(page=Page(number, 1), reach=reach)
        )
    ]

    wanted = [await store(house, noun).get(PROFILE, ids[name]) for name in found]
    assert listed == wanted


@pytest.mark.parametrize("noun", NOUNS)
async def test_a_list_holds_what_is_allowed_by_its_id(house: House, noun: str) -> None:
    a, b, c = [await new(house, noun, name) for name in ("a", "b", "c")]
    await store(house, noun).edit(PROFILE, c, an_edit(noun), ADA)
    allowed = replace(NEW, ids=frozenset({a, b}))
    reach = Reach(allowed=allowed, denied=replace(NONE, ids=frozenset({b})))

    listed = await store(house, noun).list(PROFILE, Listing(reach=reach))

    wanted = [await store(house, noun).get(PROFILE, id_) for id_ in (a, c)]
    assert list(listed) == wanted


async def test_a_list_is_reached_by_as_many_ids_as_a_statement_can_hold(
    house: House,
) -> None:
    id_ = await new(house, "policy")
    many = frozenset(f"{n:024x}" for n in range(MOST_REACHED_BY - 1))
    most = Reach(allowed=replace(NONE, ids=many | {id_}), denied=NONE)
    too_many = replace(most, denied=NEW)

    assert len(await house.policies.list(PROFILE, Listing(reach=most))) == 1
    with pytest.raises(InvalidDefinition, match="name what they are about by one tag"):
        await house.policies.list(PROFILE, Listing(reach=too_many))


@pytest.mark.parametrize("noun", ["action", "policy"])
async def test_lists_hold_what_is_active_or_what_is_not(
    house: House, noun: str
) -> None:
    on, off = await new(house, noun, "on"), await new(house, noun, "off")
    await store(house, noun).edit(PROFILE, off, {"active": False}, ADA)

    async def ids(listing: Listing) -> list[str]:
        found = await documents(house, noun).list(PROFILE, listing)
        return [id_of(each) for each in found]

    assert await ids(Listing(exactly={"active": True})) == [on]
    assert await ids(Listing(exactly={"active": False})) == [off]
    assert await ids(Listing(exactly={"active": False}, name="on")) == []
    assert await ids(Listing(order=Order(by="active"))) == [off, on]
    assert await ids(Listing(order=Order(by="active", descending=True))) == [on, off]


@pytest.mark.parametrize("noun", NOUNS)
async def test_the_last_page_that_can_be_asked_for_is_empty(
    house: House, noun: str
) -> None:
    await new(house, noun)

    last = Listing(page=Page(10**9, 10_000))

    assert await store(house, noun).list(PROFILE, last) == ()


@pytest.mark.parametrize("noun", NOUNS)
async def test_keys_of_tags_are_those_of_a_noun_in_its_profile(
    house: House, noun: str
) -> None:
    async def keys(profile: str = PROFILE) -> Sequence[str]:
        return await tag_keys(house.database, profile, Noun(noun))

    before = await keys()
    ids = {name: await new(house, noun, name) for name in ("one", "two")}
    for name, id_ in ids.items():
        tags = [{"key": key, "value": name} for key in ("site", "Area", "ärea", name)]
        await store(house, noun).edit(PROFILE, id_, {"tags": tags}, ADA)
    after = await keys()
    await store(house, noun).delete(PROFILE, ids["two"], ADA)

    assert [key for key in before if key != "site"] == []
    assert after == ["Area", "one", "site", "two", "ärea"]
    assert await keys() == ["Area", "one", "site", "ärea"]
    assert await keys(OTHER_PROFILE) == []


NAMES = ["a-1", "a_b", "ab", "ä", "Zz", "zä", "Ω", "名"]


async def test_names_are_sorted_alike_whatever_the_databases_language(
    house: House,
) -> None:
    for name in reversed(NAMES):
        await house.policies.create(PROFILE, allow(name), ADA)

    found = await house.policies.list(PROFILE, Listing())

    assert [kept.document["name"] for kept in found] == sorted(NAMES, key=str.casefold)


@pytest.mark.parametrize(
    "listing",
    [Listing(name="a\0b"), Listing(tags=(Tag("a\0b", "c"),)), Listing(name="\0*")],
    ids=["name", "tag", "any"],
)
async def test_a_character_that_no_name_can_have_finds_nothing(
    house: House, listing: Listing
) -> None:
    await new(house, "policy", "a b")

    assert await house.policies.list(PROFILE, listing) == ()
    with pytest.raises(NotFound):
        await house.policies.get(PROFILE, "a\0b")
    with pytest.raises(NotFound):
        await house.secrets.get(PROFILE, "a\0b")
    assert await house.trail.list(PROFILE, AuditQuery(trigger="a\0b")) == ()


async def test_actions_are_ordered_by_what_they_have(house: House) -> None:
    first, second = await new(house, "action", "b"), await new(house, "action", "a")
    house.clock.time += SECOND
    await house.actions.edit(PROFILE, first, {"active": False}, ADA)

    async def order(by: str) -> list[str]:
        listing = Listing(order=Order(by=by))
        return [id_of(a) for a in await house.actions.list(PROFILE, listing)]

    assert await order("active") == [first, second]
    assert await order("updated_at") == [second, first]
    assert await order("name") == [second, first]


async def test_actions_are_ordered_by_when_they_were_last_triggered(
    house: House,
) -> None:
    ids = {name: await new(house, "action", name) for name in "dcba"}
    times = LastTimes(database=house.database)
    later = {"b": NOON + SECOND, "d": NOON}
    await times.keep(
        {(PROFILE, Noun.ACTION, ids[name]): at for name, at in later.items()}
        | {(PROFILE, Noun.ACTION, "0" * 24): NOON}  # it is deleted
    )

    async def pages(
        amount: int, way: Order, *, active: bool | None = None
    ) -> list[str]:
        found, page = list[str](), 0
        while len(found) == page * amount:
            page += 1
            exactly = {} if active is None else {"active": active}
            listing = Listing(page=Page(page, amount), order=way, exactly=exactly)
            listed = await house.actions.list(PROFILE, listing)
            found += [name for a in listed for name in ids if ids[name] == id_of(a)]
        return found

    rising = Order(by="last_triggered")
    for amount in range(1, 6):
        assert await pages(amount, rising) == ["a", "c", "d", "b"]
        assert await pages(amount, replace(rising, descending=True)) == [*"bdca"]
        assert await pages(amount, rising, active=True) == ["a", "c", "d", "b"]
        assert await pages(amount, rising, active=False) == []
    one = Listing(order=rising, exactly={"id": ids["d"]})
    assert [*map(id_of, await house.actions.list(PROFILE, one))] == [ids["d"]]
    with pytest.raises(InvalidDefinition, match="order must be one of"):
        await house.policies.list(PROFILE, Listing(order=rising))


async def test_actions_are_found_by_whether_they_are_active(house: House) -> None:
    first, second = await new(house, "action", "a"), await new(house, "action", "b")
    await house.actions.edit(PROFILE, first, {"active": False}, ADA)

    async def found(*, active: bool) -> list[str]:
        listing = Listing(exactly={"active": active})
        return [id_of(a) for a in await house.actions.list(PROFILE, listing)]

    assert await found(active=False) == [first]
    assert await found(active=True) == [second]


@pytest.mark.parametrize(("noun", "order"), [("secret", "value"), ("policy", "tags")])
async def test_an_order_that_is_none_is_refused(
    house: House, noun: str, order: str
) -> None:
    with pytest.raises(InvalidDefinition, match="order must be one of"):
        await store(house, noun).list(PROFILE, Listing(order=Order(by=order)))


@pytest.mark.parametrize(
    "page", [{"page": 0}, {"page": 10**9 + 1}, {"amount": 0}, {"amount": 10_001}]
)
def test_a_page_that_is_none_is_refused(page: dict[str, int]) -> None:
    with pytest.raises(InvalidDefinition, match="page counts from 1"):
        Page(page.get("page", 1), page.get("amount", 20))


INFO_OF_PYTHON = {
    "profile": PROFILE,
    "created_at": "2026-01-02 03:04:05.678000",
    "updated_at": "2026-01-02 03:04:05.678000",
    "last_triggered": "never",
}
INFO_OF_JAVASCRIPT = {
    **INFO_OF_PYTHON,
    "created_at": "2026-01-02T03:04:05.678Z",
    "updated_at": "2026-01-02T03:04:05.678Z",
    "last_triggered": "2026-01-02T03:04:05.678Z",
}


@pytest.mark.parametrize("info", [INFO_OF_PYTHON, INFO_OF_JAVASCRIPT])
@pytest.mark.parametrize("noun", ["action", "policy"])
async def test_a_whole_info_that_is_sent_back_changes_what_is_not_read_only(
    house: House, noun: str, info: Mapping[str, object]
) -> None:
    id_ = await new(house, noun)
    before = require_readable(await documents(house, noun).get(PROFILE, id_), id_)
    sent = {**before.document, **info, "id": id_, "active": False}

    after = await documents(house, noun).edit(PROFILE, id_, sent, ADA)
    copied = await documents(house, noun).create(PROFILE, {**sent, "name": "b"}, ADA)

    assert after.document == {**before.document, "active": False}
    assert copied.document == {**after.document, "name": "b"}
    with pytest.raises(InvalidDefinition, match="has no field 'nmae'"):
        await store(house, noun).edit(PROFILE, id_, {**sent, "nmae": "x"}, ADA)


@pytest.mark.parametrize("info", [INFO_OF_PYTHON, INFO_OF_JAVASCRIPT])
async def test_a_whole_secret_that_is_sent_back_changes_its_tags(
    house: House, info: Mapping[str, object]
) -> None:
    id_ = await house.new_secret("one")
    tags = [{"key": "new", "value": "tag"}]
    sent = {**info, "id": id_, "key": "one", "type": "smtp", "value_length": 9}

    after = await house.secrets.edit(PROFILE, id_, {**sent, "tags": tags}, ADA)

    assert after.secret.tags == (Tag("new", "tag"),)
    with pytest.raises(InvalidDefinition, match="'vlaue'"):
        await house.secrets.edit(PROFILE, id_, {**sent, "vlaue": "x"}, ADA)


async def test_a_document_is_kept_as_it_was_sent(house: House) -> None:
    secret = await house.new_secret()
    document = mail_action(secret) | {
        "description": "ünïcode",
        "trigger": [{"device": "x", "value": 1.5}],
    }

    kept = await house.actions.create(PROFILE, document, ADA)

    assert kept.document == document
    assert await house.actions.get(PROFILE, kept.id) == kept


async def test_an_edit_replaces_only_what_it_gives_and_that_as_a_whole(
    house: House,
) -> None:
    secret = await house.new_secret()
    document = mail_action(secret) | {"tags": TAGS, "description": "old"}
    before = await house.actions.create(PROFILE, document, ADA)
    house.clock.time += SECOND
    anew = mail_action(secret)["action"]
    assert isinstance(anew, dict)
    anew["message"] = "another"

    after = await house.actions.edit(
        PROFILE, before.id, {"action": anew, "tags": []}, ADA
    )

    assert after.document == document | {"action": anew, "tags": []}
    assert (after.created_at, after.updated_at) == (NOON, NOON + SECOND)
    assert await house.actions.get(PROFILE, before.id) == after
    assert (await last_record(house))["detail"] == "Tell: action, tags"


async def test_a_policy_edit_replaces_targets_and_permissions_as_a_whole(
    house: House,
) -> None:
    before = await house.policies.create(PROFILE, allow(), ADA)

    after = await house.policies.edit(
        PROFILE, before.id, {"permissions": [], "active": False}, ADA
    )

    policy = parse_policy(after.document, after.id, PROFILE)
    assert (policy.permissions, policy.active) == ((), False)
    assert policy.targets == parse_policy(before.document, before.id, PROFILE).targets


async def test_a_policy_that_can_never_match_is_not_stored(house: House) -> None:
    by_id = ["secrets", "id", "5" * 24]
    never = {"effect": "allow", "action": ["create"], "resource": by_id}

    with pytest.raises(InvalidDefinition, match="create by id"):
        await house.policies.create(PROFILE, allow() | {"permissions": [never]}, ADA)

    assert await house.policies.list(PROFILE, Listing()) == ()


async def test_a_policy_about_what_is_at_tagoio_alone_is_kept_as_it_was_sent(
    house: House,
) -> None:
    device = {"effect": "deny", "action": ["any"], "resource": ["device"]}
    sent = allow() | {"targets": [["run_user"]], "permissions": [device]}

    kept = await house.policies.create(PROFILE, sent, ADA)

    assert await house.policies.get(PROFILE, kept.id) == kept
    assert kept.document == sent


async def test_what_was_made_unreadable_can_be_listed_and_deleted(
    house: House,
) -> None:
    id_ = await new(house, "policy")
    await house.break_in("UPDATE policies SET document = '{'")

    (kept,) = await house.policies.list(PROFILE, Listing())
    assert isinstance(kept, UnreadableRow)
    await house.policies.delete(PROFILE, id_, ADA)
    assert await house.policies.list(PROFILE, Listing()) == ()


def queue_action(secret: str) -> dict[str, object]:
    return {"name": "Put", "action": {"type": "queue-sqs", "sqs_secret": secret}}


async def queue_secret(
    house: House, value: Mapping[str, object] = SQS_VALUE, key: str = "queue"
) -> str:
    document = {"key": key, "value": value, "tags": TAGS}
    return (await house.secrets.create(PROFILE, document, ADA)).secret.id


async def test_an_action_without_its_secret_is_refused(house: House) -> None:
    with pytest.raises(InvalidDefinition, match="there is no secret 5555"):
        await house.actions.create(PROFILE, mail_action("5" * 24), ADA)


async def test_an_action_with_another_profiles_secret_is_refused(
    house: House,
) -> None:
    theirs = await house.secrets.create(OTHER_PROFILE, smtp_secret(), ADA)

    with pytest.raises(InvalidDefinition, match="there is no secret"):
        await house.actions.create(PROFILE, mail_action(theirs.secret.id), ADA)


async def test_an_action_with_a_secret_of_another_type_is_refused(
    house: House,
) -> None:
    mail, queue = await house.new_secret(), await queue_secret(house)
    action = await house.actions.create(PROFILE, mail_action(mail), ADA)

    with pytest.raises(InvalidDefinition, match="needs a secret of type smtp"):
        await house.actions.create(PROFILE, mail_action(queue), ADA)
    with pytest.raises(InvalidDefinition, match="needs a secret of type aws-sqs"):
        await house.actions.edit(PROFILE, action.id, queue_action(mail), ADA)


async def test_an_action_on_a_fifo_queue_needs_a_group(house: House) -> None:
    fifo = await queue_secret(house, FIFO_VALUE)
    grouped = queue_action(fifo) | {
        "action": {"type": "queue-sqs", "sqs_secret": fifo, "group_id": "$DEVICE$"}
    }

    with pytest.raises(InvalidDefinition, match="group_id"):
        await house.actions.create(PROFILE, queue_action(fifo), ADA)
    await house.actions.create(PROFILE, grouped, ADA)


async def test_a_queue_does_not_become_fifo_under_actions_without_a_group(
    house: House,
) -> None:
    queue = await queue_secret(house)
    action = await house.actions.create(PROFILE, queue_action(queue), ADA)

    with pytest.raises(InvalidDefinition, match="action 'Put': a FIFO queue needs"):
        await house.secrets.edit(PROFILE, queue, {"value": FIFO_VALUE}, ADA)

    grouped = {"type": "queue-sqs", "sqs_secret": queue, "group_id": "$DEVICE$"}
    await house.actions.edit(PROFILE, action.id, {"action": grouped}, ADA)
    edited = await house.secrets.edit(PROFILE, queue, {"value": FIFO_VALUE}, ADA)
    assert edited.fifo


async def test_a_secret_that_actions_use_is_not_deleted(house: House) -> None:
    secret = await house.new_secret()
    for name in ("d", "c", "b", "a"):
        await house.actions.create(PROFILE, mail_action(secret, name), ADA)

    with pytest.raises(InUse, match="use this secret: 'a', 'b', 'c' and others"):
        await house.secrets.delete(PROFILE, secret, ADA)

    for kept in await house.actions.list(PROFILE, Listing(page=Page(1, 3))):
        await house.actions.delete(PROFILE, id_of(kept), ADA)
    with pytest.raises(InUse, match="actions use this secret: 'd'; edit or delete"):
        await house.secrets.delete(PROFILE, secret, ADA)


async def test_a_key_is_there_once_in_a_profile(house: House) -> None:
    await house.new_secret()

    with pytest.raises(InvalidDefinition, match="Secret key already exists"):
        await house.new_secret()

    await house.secrets.create(OTHER_PROFILE, smtp_secret(), ADA)


async def test_a_secret_is_kept_sealed_with_what_may_be_known_of_it(
    house: House,
) -> None:
    id_ = await house.new_secret()

    sealed = readable(await house.secrets.get(PROFILE, id_))

    assert sealed.secret.key == "smtp-main"
    assert sealed.secret.version == 1
    assert sealed.secret.tags == (Tag("site", "north"),)
    assert sealed.value_length == 101
    await house.audit_log.vault.verify(sealed)


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": [{"key": "site", "value": "south"}]},
        {"value": SMTP_VALUE | {"username": "another"}},
        {"tags": [{"key": "site", "value": "south"}], "value": SMTP_VALUE},
    ],
    ids=["tags", "value", "both"],
)
async def test_each_edit_of_a_secret_is_a_new_version_that_opens(
    house: House, changes: dict[str, object]
) -> None:
    id_ = await house.new_secret()
    before = readable(await house.secrets.get(PROFILE, id_))
    house.clock.time += SECOND

    after = await house.secrets.edit(PROFILE, id_, changes, ADA)

    assert after.secret.version == 2
    assert (after.created_at, after.updated_at) == (NOON, NOON + SECOND)
    assert after.envelope != before.envelope
    assert await house.secrets.get(PROFILE, id_) == after
    await house.audit_log.vault.verify(after)
    detail = f"smtp-main: {' and '.join(sorted(changes))}, version 2"
    assert (await last_record(house))["detail"] == detail


async def test_a_secret_edited_by_two_at_once_is_edited_by_one(
    house: House, neighbour: House
) -> None:
    id_ = await house.new_secret()

    for each in (house, neighbour):
        each.wire.asked_to_write.clear()
    async with house.database.writing():
        edits = [
            asyncio.create_task(
                each.secrets.edit(PROFILE, id_, {"value": SMTP_VALUE}, ADA)
            )
            for each in (house, neighbour)
        ]
        for each in (house, neighbour):
            await each.wire.asked_to_write.wait()
    ended = await asyncio.gather(*edits, return_exceptions=True)

    (refusal,) = [each for each in ended if isinstance(each, Exception)]
    assert isinstance(refusal, EditedMeanwhile)
    assert readable(await house.secrets.get(PROFILE, id_)).secret.version == 2


async def test_tags_of_a_secret_that_does_not_open_are_not_edited(
    house: House,
) -> None:
    id_ = await house.new_secret()
    await house.break_in("UPDATE secrets SET key = 'another'")

    with pytest.raises(Unsealable):
        await house.secrets.edit(PROFILE, id_, {"tags": TAGS}, ADA)


async def test_no_value_is_in_any_file(house: House, ground: Ground) -> None:
    id_ = await house.new_secret()
    await house.secrets.edit(PROFILE, id_, {"tags": [{"key": "k", "value": "v"}]}, ADA)

    files = [
        path.read_bytes()
        for folder in {ground.folder, ground.kept}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    assert not any(CANARY.encode() in file for file in files)
    assert any(b"smtp-main" in file for file in files)


async def test_a_refused_secret_is_not_quoted(house: House) -> None:
    document = smtp_secret() | {"value": SMTP_VALUE | {CANARY: CANARY}}

    with pytest.raises(InvalidDefinition) as refusal:
        await house.secrets.create(PROFILE, document | {"type": "smtp"}, ADA)

    assert CANARY not in repr(refusal.value)
    assert await house.trail.list(PROFILE, AuditQuery(kind="attempt")) == ()


async def etag(house: House, noun: str, id_: str) -> str:
    if noun == "secret":
        return secret_etag_of(await house.secrets.get(PROFILE, id_))
    return etag_of(await documents(house, noun).get(PROFILE, id_))


@pytest.mark.parametrize("noun", NOUNS)
async def test_of_two_who_read_the_same_only_the_first_changes_it(
    house: House, neighbour: House, noun: str
) -> None:
    id_ = await new(house, noun)
    read = await etag(neighbour, noun, id_)
    await store(house, noun).edit(PROFILE, id_, an_edit(noun), ADA, expected=read)
    after = await store(house, noun).get(PROFILE, id_)

    theirs = store(neighbour, noun)
    with pytest.raises(Outdated, match=f"{noun} {id_} has changed"):
        await theirs.edit(PROFILE, id_, an_edit(noun), ADA, expected=read)
    with pytest.raises(Outdated, match=f"{noun} {id_} has changed"):
        await theirs.delete(PROFILE, id_, ADA, expected=read)

    assert await store(house, noun).get(PROFILE, id_) == after
    now = await etag(house, noun, id_)
    assert now != read
    await store(neighbour, noun).delete(PROFILE, id_, ADA, expected=now)


@pytest.mark.parametrize("noun", ["action", "policy"])
async def test_what_is_written_is_answered_as_it_will_be_read(
    house: House, noun: str
) -> None:
    documents_ = documents(house, noun)
    id_ = await new(house, noun)

    edited = await documents_.edit(PROFILE, id_, {"active": False}, ADA)

    assert await documents_.get(PROFILE, id_) == edited
    assert await documents_.list(PROFILE, Listing()) == (edited,)


async def test_what_cannot_be_read_has_an_etag_too(house: House) -> None:
    id_ = await new(house, "policy")
    await house.break_in("UPDATE policies SET document = '{'")
    found = await house.policies.get(PROFILE, id_)

    with pytest.raises(Outdated):
        await house.policies.delete(PROFILE, id_, ADA, expected="0")
    await house.policies.delete(PROFILE, id_, ADA, expected=etag_of(found))
