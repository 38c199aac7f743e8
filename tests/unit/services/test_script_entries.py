"""Script entries: what is written of a script is what is read of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.services.definition_entries import parse_entries
from keyrelay.services.script_entries import script_document, without_script


@given(st.binary(min_size=1, max_size=200), st.sampled_from(Runtime))
def test_a_script_is_read_as_it_was_written(content: bytes, language: Runtime) -> None:
    draft = ScriptDraft(file_name="main.py", language=language, content=content)
    document = {"name": "boiler", "script": script_document(draft)}

    assert without_script(document) == ({"name": "boiler"}, draft)


@pytest.mark.parametrize(
    ("runtime", "language"),
    [
        ({}, Runtime.NODE),
        ({"runtime": None}, Runtime.NODE),
        ({"runtime": "python-rt2025"}, Runtime.PYTHON),
    ],
)
def test_a_script_that_names_no_language_is_in_that_of_its_analysis(
    runtime: dict[str, object], language: Runtime
) -> None:
    script = {"file_name": "main.py", "file": "cHJpbnQoMSk="}

    _, draft = without_script({**runtime, "script": script})

    assert draft is not None
    assert draft.language is language


@pytest.mark.parametrize("script", [None, [], "cHJpbnQoMSk=", {}])
def test_what_is_no_upload_is_refused(script: object) -> None:
    with pytest.raises(InvalidDefinition):
        without_script({"name": "boiler", "script": script})


def test_analyses_stand_before_what_may_name_them() -> None:
    named = {"name": "x"}
    document = {
        "policies": [named],
        "actions": [named],
        "analyses": [{**named, "token": "a-secret", "version": 3}],
        "secrets": [{"key": "x"}],
    }

    entries = parse_entries(document)

    nouns = [str(each.noun) for each in entries]
    assert nouns == ["secret", "analysis", "action", "policy"]
    assert entries[1].document == named
