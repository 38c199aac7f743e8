"""Remarks: a person is told of what is stored and will do nothing."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from keyrelay.model.analysis import ScriptedAnalysis, parse_analysis
from keyrelay.model.catalog import Catalog, Omitted
from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.ports import Unavailable
from keyrelay.services.remarks import (
    on_action,
    on_analysis,
    on_policy,
    on_stored_action,
    on_stored_policy,
)
from keyrelay.stores.definitions.stored_document import StoredDocument
from tests.samples import (
    ACTIONS,
    ALLOW,
    MAIL_ACTION,
    MAIL_DOES,
    MAIL_SECRET,
    NOON,
    PROFILE,
    a_catalog,
    a_policy,
    an_action,
    without_policies,
)

ALLOWED = a_catalog()


def remarks(
    does: Mapping[str, object] = MAIL_DOES, **fields: object
) -> tuple[str, ...]:
    return on_action(an_action(does, **fields), fields, ALLOWED)


def test_of_an_action_that_acts_nothing_is_said() -> None:
    assert remarks() == ()
    assert remarks(trigger=[]) == ()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (remarks(active=False), "it is inactive"),
        (remarks(lock=True), "it is locked"),
        (remarks(trigger=[{"is": ">"}]), "never evaluated here"),
        (remarks({**MAIL_DOES, "message": "$FOO$"}), "$FOO$"),
    ],
    ids=["inactive", "locked", "conditions", "a word that is none"],
)
def test_of_an_action_that_does_less_it_is_said(
    found: tuple[str, ...], said: str
) -> None:
    (remark,) = found

    assert said in remark


def test_a_secret_that_no_policy_releases_is_told_with_the_nearest_policy() -> None:
    near = a_policy({**ALLOW, "active": False})

    (none,) = on_action(an_action(), {}, without_policies(ALLOWED))
    (inactive,) = on_action(an_action(), {}, a_catalog(policy=near))

    assert none.startswith("its secret is not released to it: no policy lets action")
    assert inactive.endswith("is inactive")


def test_a_secret_that_no_worker_can_use_is_told() -> None:
    closed = replace(ALLOWED, omitted=Omitted(profiles={PROFILE: "its index broke"}))

    (missing,) = on_action(an_action(), {}, replace(ALLOWED, secrets={}))
    (broken,) = on_action(an_action(), {}, closed)

    assert missing.endswith(f"there is no secret {MAIL_SECRET}")
    assert broken == "its secret is not released to it: its index broke"


DEVICE = {"effect": "deny", "action": ["edit"], "resource": ["device"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ()),
        ({"active": False}, ("it is inactive, and counts for nothing",)),
        ({"targets": []}, ("it has no targets, and matches nothing",)),
        ({"permissions": []}, ("it has no permissions, and matches nothing",)),
        (
            {"permissions": [{**DEVICE, "action": [], "resource": ["secrets"]}]},
            ("a permission of it lists no action, and matches nothing",),
        ),
        (
            {"targets": [["run_user"], ["action"]], "permissions": [DEVICE]},
            ("it names kinds that match nothing here: device, run_user",),
        ),
    ],
    ids=["whole", "inactive", "no targets", "no permissions", "no action", "TagoIO's"],
)
def test_of_a_policy_that_decides_less_it_is_said(
    changes: Mapping[str, object], said: tuple[str, ...]
) -> None:
    assert on_policy(a_policy({**ALLOW, **changes})) == said


def stored(document: Mapping[str, object]) -> StoredDocument:
    return StoredDocument(
        id=MAIL_ACTION, document=document, created_at=NOON, updated_at=NOON
    )


async def allowed() -> Catalog:
    return ALLOWED


async def sealed() -> Catalog:
    raise Unavailable("the vault is sealed")


async def test_a_stored_action_is_remarked_on_as_a_worker_reads_it() -> None:
    tell = stored({"name": "Tell", "lock": True, "action": MAIL_DOES})

    (locked,) = await on_stored_action(ACTIONS, allowed, PROFILE, tell)
    (unread,) = await on_stored_action(ACTIONS, allowed, PROFILE, stored({}))

    assert locked.startswith("it is locked")
    assert unread.startswith("no worker can read it: ")


async def test_a_sealed_vault_keeps_no_action_from_being_shown() -> None:
    tell = stored({"name": "Tell", "lock": True, "action": MAIL_DOES})

    assert await on_stored_action(ACTIONS, sealed, PROFILE, tell) == ()


def test_a_stored_policy_is_remarked_on_as_a_worker_reads_it() -> None:
    assert on_stored_policy(PROFILE, stored(ALLOW)) == ()
    (unread,) = on_stored_policy(PROFILE, stored({}))
    assert unread.startswith("no worker can read it: ")


def analysed(*languages: Runtime, **fields: object) -> tuple[str, ...]:
    """Return what is said of an analysis, with a version in each of these languages."""
    drafts = [
        ScriptDraft(file_name="main.py", language=each, content=b"")
        for each in languages
    ]
    versions = tuple(each.as_version(at, NOON) for at, each in enumerate(drafts, 1))
    analysis = parse_analysis({"name": "cold rooms", **fields}, "9" * 24, PROFILE)
    return on_analysis(
        ScriptedAnalysis(
            analysis=analysis, versions=versions, version=len(versions) or None
        )
    )


def test_of_an_analysis_that_is_run_nothing_is_said() -> None:
    assert analysed(Runtime.PYTHON) == ()
    assert analysed(Runtime.OTHER, Runtime.NODE_LEGACY) == ()
    assert analysed(run_on="external") == ()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (analysed(Runtime.PYTHON, active=False), "it is inactive"),
        (analysed(), "it has no script yet"),
        (analysed(Runtime.DENO), "scripts for deno-rt2025 are kept, and not run"),
        (analysed(Runtime.PYTHON, Runtime.OTHER), "scripts for other are kept"),
        (
            analysed(Runtime.PYTHON, variables=[{"key": "password", "value": "x"}]),
            "its variable password looks like a credential",
        ),
    ],
    ids=["inactive", "no script", "deno", "another language by now", "a credential"],
)
def test_of_an_analysis_that_is_not_run_or_tells_too_much_it_is_said(
    found: tuple[str, ...], said: str
) -> None:
    (remark,) = found

    assert said in remark
