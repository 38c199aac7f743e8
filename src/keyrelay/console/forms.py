"""Forms: what was typed, as the documents that the API takes."""

from collections.abc import Sequence

from keyrelay.console.given import Given

Tags = list[dict[str, str]]


def typed_tags(form: Given) -> Tags:
    """Return the rows of tags that are not empty; of a repeated key, all rows."""
    rows = typed_rows(form, ("tag_key", "tag_value"))
    return [{"key": row["tag_key"], "value": row["tag_value"]} for row in rows]


def typed_rows(form: Given, names: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of fields with these names that are not empty."""
    columns = [form.texts(name) for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=False)]
    return [row for row in rows if any(row.values())]
