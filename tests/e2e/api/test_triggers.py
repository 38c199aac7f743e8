"""POST /triggers and what follows a trigger, over a process that answers."""

import json
from collections.abc import Iterator, Mapping, Sequence

import httpx

from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.home import Home

ACTION = "c" * 24
EVENT: Mapping[str, object] = {
    "specversion": "1.0",
    "id": "17",
    "source": "/doors",
    "type": "com.example.door.opened",
    "data": {"action": ACTION},
}


def one(id_: str | None = None, **more: object) -> Mapping[str, object]:
    named = {} if id_ is None else {"id": id_}
    return {**named, "action": ACTION, "data": {"variable": "t", "value": 9.5}, **more}


def results(answer: Answer) -> Sequence[Mapping[str, str]]:
    found = answer.document["result"]
    assert isinstance(found, list)
    return found


def states(answer: Answer) -> Sequence[str]:
    return [each["state"] for each in results(answer)]


def ids(answer: Answer) -> Sequence[str]:
    return [each["id"] for each in results(answer)]


def typed(media_type: str) -> Mapping[str, str]:
    return {"content-type": media_type}


def test_a_trigger_is_accepted_once_and_a_duplicate_from_then_on(api: Api) -> None:
    first = api.ask("POST", "/triggers", one("t1"))
    second = api.ask("POST", "/triggers", one("t1"))

    assert (first.status, second.status) == (202, 202)
    assert first.document == {
        "status": True,
        "result": [{"id": "t1", "state": "accepted"}],
    }
    assert states(second) == ["duplicate"]


def test_of_a_list_some_may_be_refused(api: Api) -> None:
    body = [one("t1"), {"id": "t2"}, one("t3"), one("t1")]

    answer = api.ask("POST", "/triggers", body)

    assert answer.status == 207
    assert states(answer) == ["accepted", "refused", "accepted", "duplicate"]
    assert "names its action" in results(answer)[1]["reason"]
    assert answer.message == "1 of 4 were refused"


def test_where_none_is_accepted_the_message_says_why(api: Api) -> None:
    for body, words in (
        (b"", "it is empty"),
        (b"[]", "holds no trigger"),
        (b"nonsense", "expected one JSON object"),
        (b'[{"action": 1}, {}', "none was accepted"),
        (b'{"action": "canary"}', "names its action"),
        (b'"\xff', "not UTF-8"),
    ):
        answer = api.ask("POST", "/triggers", body)

        assert (answer.status, answer.document["status"]) == (400, False)
        assert words in str(answer.message)
        assert "canary" not in json.dumps(answer.document)


def test_json_lines_are_triggers_and_blank_lines_are_none(api: Api) -> None:
    body = f"{json.dumps(one('t1'))}\n\n{json.dumps(one('t2'))}".encode()

    answer = api.ask("POST", "/triggers", body, typed("application/x-ndjson"))

    assert (answer.status, ids(answer)) == (202, ["t1", "t2"])


def test_cloud_events_are_triggers_in_each_of_their_modes(api: Api) -> None:
    binary = {f"ce-{name}": str(EVENT[name]) for name in EVENT if name != "data"}
    batch = [{**EVENT, "id": "18"}, {**EVENT, "id": "19"}, {**EVENT, "id": 20}]
    many = typed("application/cloudevents-batch+json")

    structured = api.ask(
        "POST", "/triggers", EVENT, typed("application/cloudevents+json")
    )
    same = api.ask("POST", "/triggers", EVENT["data"], binary)
    several = api.ask("POST", "/triggers", batch, many)

    assert states(structured) == ["accepted"]
    assert (states(same), ids(same)) == (["duplicate"], ids(structured))
    assert states(several) == ["accepted", "accepted", "refused"]


def test_a_request_sent_again_with_its_key_is_the_same_triggers(api: Api) -> None:
    body, key = [one(), one("own"), one()], {"Idempotency-Key": "order 17"}

    first = api.ask("POST", "/triggers", body, key)
    again = api.ask("POST", "/triggers", body, key)
    other = api.ask("POST", "/triggers", body, {"Idempotency-Key": "order 18"})

    assert len({*ids(first)}) == 3
    assert ids(again) == ids(first)
    assert states(again) == ["duplicate"] * 3
    assert states(other) == ["accepted", "duplicate", "accepted"]


def test_a_list_that_is_longer_than_a_request_may_hold_is_read_up_to_there(
    api: Api,
) -> None:
    body = b"[" + b",".join([b"1"] * 100_001) + b"]"

    answer = api.ask("POST", "/triggers", body)

    assert answer.status == 413
    assert "100000 triggers at most" in str(answer.message)
    assert len(results(answer)) == 100_000


def test_at_the_limit_of_the_backlog_it_says_how_many_were_kept(home: Home) -> None:
    limited = home.under({"KEYRELAY_BACKLOG_LIMIT": "2"})
    with answering(limited) as running:
        api = running.with_token(token_of(limited, "full"))

        answer = api.ask("POST", "/triggers", [one(f"t{n}") for n in range(4)])
        later = api.ask("POST", "/triggers", one("t9"))

    assert (answer.status, later.status) == (429, 429)
    assert ids(answer) == ["t0", "t1"]
    assert "2 of its triggers are kept" in str(answer.message)
    assert answer.headers["retry-after"] == "1"


def action_of(api: Api) -> str:
    """Make an action, and return its id."""
    value = {"smtp_server": "mail.example.com", "smtp_port": 587}
    login = {**value, "username": "u", "password": "p"}
    tags = [{"key": "for", "value": "doors"}]
    secret = api.ask(
        "POST", "/secrets", {"key": "mail", "value": login, "tags": tags}
    ).field("id")
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "s"}
    does = {"type": "email-smtp", **mail, "message": "m", "smtp_secret": secret}
    made = api.ask("POST", "/action", {"name": "tell", "action": does})
    return made.field("action")


def test_a_producer_publishes_to_its_actions_and_follows_those_alone(
    api: Api,
) -> None:
    action = action_of(api)
    made = api.ask(
        "POST", "/tokens", {"name": "door", "kind": "producer", "actions": [action]}
    )
    producer = api.with_token(made.field("token"))
    api.ask("POST", "/triggers", one("t3"))

    answer = producer.ask("POST", "/triggers", [one("t1", action=action), one("t2")])

    assert states(answer) == ["accepted", "refused"]
    assert "may publish to" in results(answer)[1]["reason"]
    assert producer.get("/triggers/t1").field("state") == "waiting"
    unknown, foreign = producer.get("/triggers/t9"), producer.get("/triggers/t3")
    assert (unknown.status, unknown.document) == (foreign.status, foreign.document)
    assert producer.get("/triggers").status == 401


def test_producers_follow_what_they_published_themselves_and_nothing_else(
    api: Api,
) -> None:
    action = action_of(api)
    door, gate = (
        api.with_token(
            api.ask("POST", "/tokens", {"name": name, "kind": "producer"}).field(
                "token"
            )
        )
        for name in ("door", "gate")
    )
    for publisher, id_ in ((api, "t0"), (door, "t1"), (gate, "t2")):
        publisher.ask("POST", "/triggers", one(id_, action=action))
    again = door.ask("POST", "/triggers", [one("t2", action=action)])

    assert states(again) == ["duplicate"]
    assert door.get("/triggers/t1").field("state") == "waiting"
    assert gate.get("/triggers/t2").field("state") == "waiting"
    unknown = door.get("/triggers/t9")
    assert unknown.status == 404
    for id_ in ("t0", "t2"):
        foreign = door.get(f"/triggers/{id_}")
        assert (foreign.status, foreign.document) == (404, unknown.document)
    assert api.get("/triggers/t1").field("state") == "waiting"


def page(api: Api, query: str) -> Mapping[str, object]:
    result = api.get(f"/triggers?{query}").result
    assert isinstance(result, dict)
    return result


def listed(page: Mapping[str, object]) -> Sequence[str]:
    found = page["triggers"]
    assert isinstance(found, list)
    return [each["id"] for each in found]


def test_triggers_are_listed_page_by_page_and_by_filter(api: Api) -> None:
    api.ask("POST", "/triggers", [one(f"t{n}") for n in range(5)])
    api.ask("POST", "/triggers/t3/hold")

    first = page(api, "amount=2")
    second = page(api, f"amount=2&after={first['next']}")
    last = page(api, f"amount=2&after={second['next']}")

    assert [listed(each) for each in (first, second, last)] == [
        ["t0", "t1"],
        ["t2", "t3"],
        ["t4"],
    ]
    assert (last["next"], last["unread"]) == (None, False)
    assert listed(page(api, "state=held")) == ["t3"]
    assert listed(page(api, f"action={'d' * 24}")) == []
    assert listed(page(api, "until=2020-01-01T00:00:00Z")) == []
    assert len(listed(page(api, "since=2020-01-01T00:00:00Z"))) == 5


def test_a_list_that_cannot_be_is_refused(api: Api) -> None:
    for query in ("state=done", "after=x", "amount=0", "amount=1001", "colour=red"):
        assert api.get(f"/triggers?{query}").status == 400


def test_a_trigger_is_held_released_hurried_and_cancelled(api: Api) -> None:
    api.ask("POST", "/triggers", one("t1"))

    held = api.ask("POST", "/triggers/t1/hold")
    again = api.ask("POST", "/triggers/t1/hold")
    early = api.ask("POST", "/triggers/t1/retry")
    released = api.ask("POST", "/triggers/t1/release")
    cancelled = api.ask("POST", "/triggers/t1/cancel")

    assert (held.field("state"), again.message) == (
        "held",
        "trigger t1 is held already",
    )
    assert (early.status, released.field("state")) == (409, "waiting")
    assert cancelled.field("state") == "cancelled"
    assert api.ask("POST", "/triggers/t1/hold").status == 409
    assert api.ask("POST", "/triggers/t9/cancel").status == 404


def test_what_comes_slowly_is_kept_as_it_comes(api: Api) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"[" + json.dumps(one("t1")).encode()
        yield b","
        # What came before is durable, although the request has not ended.
        while api.get("/triggers/t1").status == 404:
            continue
        yield json.dumps(one("t2")).encode() + b"]"

    answer = httpx.post(
        f"{api.url}/triggers", content=chunks(), headers={"token": str(api.token)}
    )

    assert answer.status_code == 202
