"""Settings file: what its TOML may hold, which the schema beside the example says, too.

The environment has texts alone, from which pydantic reads the rest; a file has types.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, get_args, get_origin

from pydantic.fields import FieldInfo


def misfits(
    file: Path, fields: Mapping[str, FieldInfo]
) -> Iterator[tuple[str, str | None]]:
    """Yield what is of another type than its setting, and how that is written.

    None, there is no such setting.
    """
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):  # is told where pydantic reads the file
        return
    for name, value in written.items():
        if name not in fields:
            yield name, None
        elif (wanted := _unlike(fields[name].annotation, value)) is not None:
            yield name, wanted


def toml_flaw(file: Path) -> str:
    """Return what is wrong, and where; nothing of the file is quoted."""
    try:
        tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        # What stands after a colon, or in quotes, may be the file's own.
        what = what.partition(":")[0].partition("'")[0].partition('"')[0].strip()
        return f"{what.lower()} at {place.removesuffix(')')}"
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8"
    except OSError as error:
        return str(error.strerror)
    return "it has no tables of settings"


def _unlike(annotation: object, value: object) -> str | None:
    """Return how a file writes a setting of this type; None, it is so written."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if annotation is bool:
        return None if isinstance(value, bool) else "true or false"
    if annotation in (int, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number else "a number"
    if get_origin(annotation) is tuple:
        one = get_args(annotation)[0]
        fits = isinstance(value, list) and not any(_unlike(one, each) for each in value)
        return None if fits else 'a list like ["…"] or [587]'
    return None if isinstance(value, str) else "a text in quotes"
