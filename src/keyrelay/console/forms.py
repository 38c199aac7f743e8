"""Forms: what was typed, as the documents that the API takes."""

from collections.abc import Mapping, Sequence

from keyrelay.console.given import Given

Tags = list[dict[str, str]]


def typed_tags(form: Given) -> Tags:
    """Return the rows of tags that are not empty; of a repeated key, all rows."""
    keys, values = form.texts("tag_key"), form.texts("tag_value")
    rows = zip(keys, values, strict=False)
    return [{"key": key, "value": value} for key, value in rows if key or value]


def blamed(sentence: str, fields: Sequence[str]) -> Mapping[str, str]:
    """Return the sentence by the field that it begins with; none, it is of no one."""
    for field in fields:
        if sentence.startswith((f"{field} ", f"{field}.", f"{field}:")):
            return {field: sentence}
    return {}
