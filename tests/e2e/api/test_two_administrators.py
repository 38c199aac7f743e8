"""Two administrators: what one read, and another changed, is not overwritten."""

import pytest

from tests.installed.api import Api

SECRET = {
    "key": "word",
    "value": "hunter2-the-value",
    "tags": [{"key": "env", "value": "test"}],
}
POLICY = {
    "name": "alarms",
    "targets": [["action"]],
    "permissions": [{"effect": "allow", "action": ["access"], "resource": ["secrets"]}],
}
CHANGES = {
    "/secrets": {"tags": [{"key": "env", "value": "other"}]},
    "/am": {"name": "others"},
}
CREATED = {"/secrets": "id", "/am": "am_id"}


@pytest.mark.parametrize(
    ("path", "document"), [("/secrets", SECRET), ("/am", POLICY)], ids=str
)
def test_a_change_of_what_was_changed_meanwhile_is_refused(
    shared_api: Api, path: str, document: object
) -> None:
    made = shared_api.ask("POST", path, document)
    one = f"{path}/{made.field(CREATED[path])}"
    read = {"If-Match": shared_api.get(one).headers["etag"]}

    first = shared_api.ask("PUT", one, CHANGES[path], read)
    second = shared_api.ask("PUT", one, CHANGES[path], read)
    third = shared_api.ask("DELETE", one, headers=read)
    without = shared_api.ask("PUT", one, CHANGES[path])
    last = {"If-Match": without.headers["etag"]}
    deleted = shared_api.ask("DELETE", one, headers=last)

    assert (first.status, second.status, third.status) == (200, 412, 412)
    assert first.headers["etag"] != read["If-Match"]
    assert (without.status, deleted.status) == (200, 200)
