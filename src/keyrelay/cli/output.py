"""Output: tables for people, JSON for programs, and messages beside both."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from keyrelay.cli.refusals import Refused
from keyrelay.cli.streams import put_error
from keyrelay.model.audit_document import printable

Document = Mapping[str, object]

_LONGEST_CELL = 300


def say(sentence: str) -> None:
    """Print a message for people, on standard error."""
    put_error(sentence)


def put(line: str) -> None:
    """Print a line of output, which its reader may act on at once."""
    print(line, flush=True)  # noqa: T201 - three times as fast as typer.echo


def put_bytes(content: bytes) -> None:
    """Print output that is no text of ours, as it is."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_file(file: Path, content: bytes) -> None:
    """Write the whole file or none of it. Raises Refused."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}") from None


def put_id(id_: str, *, as_json: bool) -> None:
    put(json.dumps({"id": id_}) if as_json else id_)


def put_document(document: Document) -> None:
    put(json.dumps(document, indent=2))


def show(document: Document, *, as_json: bool = False) -> None:
    """Print one thing, one line per field."""
    if as_json:
        put_document(document)
        return
    from keyrelay.cli.tables import print_fields  # as in show_table

    print_fields([(name, _printed(value)) for name, value in document.items()])


def show_table(documents: Sequence[Document], columns: Sequence[str]) -> None:
    # Imported here: rich takes longer to load than all other output.
    from keyrelay.cli.tables import print_table

    heads = [column.replace("_", " ") for column in columns]
    rows = [[cell_of(each.get(column)) for column in columns] for each in documents]
    print_table(heads, rows)


async def put_json(documents: AsyncIterator[Document]) -> None:
    """Print a JSON array, one element per line, one of them in memory at a time."""
    before = "[\n"
    async for document in documents:
        sys.stdout.write(f"{before}{json.dumps(document)}")
        before = ",\n"
    put("[]" if before == "[\n" else "\n]")


def cell_of(value: object) -> str:
    """Return what stands in a table's cell."""
    return printable(_printed(value), _LONGEST_CELL)


def _printed(value: object) -> str:
    match value:
        case None:
            text = ""
        case str():
            text = value
        case bool():
            text = "yes" if value else "no"
        case {"key": str(key), "value": str(tagged), **rest} if not rest:
            text = f"{key}={tagged}"
        case list() if all(isinstance(each, str | dict) for each in value):
            text = " ".join(map(_printed, value))
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return printable(text, len(text))
