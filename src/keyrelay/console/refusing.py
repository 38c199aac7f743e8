"""Refusing: the page that is shown again once its form was not carried out."""

from collections.abc import Mapping, Sequence

from keyrelay.api.failures import sentence_of, status_of
from keyrelay.console.visit import Facts, Shown


def page_after(
    failure: Exception | None, template: str, facts: Facts, fields: Sequence[str] = ()
) -> Shown:
    """Return the page, which says what was wrong; None, nothing was.

    `fields` are those of the form: the sentence stands beside one that is to blame,
    too. What `facts` say beats that.
    """
    sentence = None if failure is None else sentence_of(failure)
    wrong = {} if sentence is None else _blamed(sentence, fields)
    told = {"sentence": sentence, "wrong": wrong, **facts}
    status = 200 if failure is None else status_of(failure)
    return Shown(template=template, facts=told, status=status)


def _blamed(sentence: str, fields: Sequence[str]) -> Mapping[str, str]:
    """Return the sentence by the field that it begins with; none, it is of no one."""
    for field in fields:
        if sentence.startswith((f"{field} ", f"{field}.", f"{field}:")):
            return {field: sentence}
    return {}
