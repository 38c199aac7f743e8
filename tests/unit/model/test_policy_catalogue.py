"""The catalogue: what a form can offer, policies can say."""

from keyrelay.model.policy.catalogue import catalogue
from keyrelay.model.policy.kinds import VERBS
from keyrelay.model.policy.policy_document import denying_all, parse_policy

PROFILE, ID = "a" * 24, "b" * 24


def test_all_that_is_listed_can_be_permitted() -> None:
    listed = catalogue()
    settings = listed["settings"]
    assert isinstance(settings, dict)

    for target, governed in settings.items():
        for kind, entries in governed.items():
            verbs = [entry["value"] for entry in entries]
            permission = {"effect": "allow", "action": verbs, "resource": [kind]}
            document = {
                "name": "all",
                "targets": [[target]],
                "permissions": [permission],
            }
            policy = parse_policy(document, ID, PROFILE)
            assert policy.permissions[0].verbs == set(VERBS[kind])
    assert settings.keys() == {"analysis", "action"}


def test_what_is_created_is_not_matched_by_its_id() -> None:
    settings = catalogue()["settings"]
    assert isinstance(settings, dict)
    by_verb = {entry["value"]: entry for entry in settings["analysis"]["secrets"]}

    assert "id" not in by_verb["create"]["match_by"]
    assert "id" in by_verb["access"]["match_by"]
    assert by_verb["access"]["description"] == "Use the value of a secret"


def test_what_stands_in_for_an_unreadable_policy_denies_everything() -> None:
    policy = denying_all(ID, PROFILE)

    assert {each.resource.kind for each in policy.permissions} == set(VERBS)
    assert {each.effect.value for each in policy.permissions} == {"deny"}
