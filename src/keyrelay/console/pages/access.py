"""Access: policies listed in words, switched on and off, and deleted."""

from collections.abc import Mapping

from keyrelay.console.choices import read_choices
from keyrelay.console.listing import NumberedList
from keyrelay.console.own_api import ApiQuestion
from keyrelay.console.pages import access_editing, access_explaining
from keyrelay.console.policy_words import ids_in, policy_words
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit

_LIST = NumberedList(
    path="/am",
    fields=("id", "name", "active", "tags", "rules", "updated_at"),
    filters=("name", "tag", "active"),
)


async def show_list(visit: Visit) -> Shown:
    page = await _LIST.page(visit)
    rules = {str(row["id"]): _rules(row) for row in page.rows}
    # Names are asked for only where a policy goes by ids: most go by tags.
    by_id = any(ids_in(each) for each in rules.values())
    names = (await read_choices(visit.api)).names if by_id else {}
    facts = {
        "page": page,
        "words": {id_: policy_words(each, names) for id_, each in rules.items()},
        "tag_keys": await visit.api.tag_keys("am"),
    }
    return Shown(template="access/list.html", facts=facts)


async def switch(visit: Visit) -> Moved:
    """Make a policy active or inactive. Raises as the route does."""
    edit = {"active": visit.form.text("active") == "true"}
    question = ApiQuestion(ids=visit.ids, document=edit)
    await visit.api.ask("PUT", "/am/{id}", question)
    return Moved(path="/access", said="saved")


async def show_more(visit: Visit) -> Shown:
    return await _more(visit)


async def delete(visit: Visit) -> Shown | Moved:
    policy = await visit.api.result("/am/{id}", visit.of_id())
    lost = await visit.api.results("/am/{id}/losses", visit.of_id())
    if lost and visit.form.text("typed_name") != policy["name"]:
        return await _more(visit, "Type the name of the policy to delete it.")
    await visit.api.ask("DELETE", "/am/{id}", visit.of_id())
    return Moved(path="/access", said="deleted")


async def _more(visit: Visit, unsure: str | None = None) -> Shown:
    facts = {
        "policy": await visit.api.result("/am/{id}", visit.of_id()),
        "losses": await visit.api.results("/am/{id}/losses", visit.of_id()),
        "unsure": unsure,
        "url": visit.api.process.url,
    }
    status = 200 if unsure is None else 400
    return Shown(template="access/more.html", facts=facts, status=status)


def _rules(row: Mapping[str, object]) -> Mapping[str, object]:
    rules = row.get("rules", {})
    assert isinstance(rules, Mapping)
    return rules


_ONE = "/access/{id}"

PAGES = (
    PageRoute(method="GET", path="/access", answer=show_list),
    # Before the policies, of which they have the path of one.
    *access_explaining.PAGES,
    *access_editing.PAGES,
    PageRoute(method="POST", path=f"{_ONE}/switch", answer=switch),
    PageRoute(method="GET", path=f"{_ONE}/more", answer=show_more),
    PageRoute(method="POST", path=f"{_ONE}/delete", answer=delete),
)
