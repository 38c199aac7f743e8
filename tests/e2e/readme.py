"""README: its commands and documents, so that what is tested is what is written."""

import re
from collections.abc import Iterator
from pathlib import Path

_TEXT = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
_HERE = re.compile(r"<<'(\w+)'")


def section(title: str) -> str:
    """Return what stands below a heading, up to the next of any level."""
    _, heading, rest = _TEXT.partition(f"# {title}\n")
    assert heading, f"the README has no section {title!r}"
    fenced = False
    lines = []
    for line in rest.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            break
        lines.append(line)
    return "\n".join(lines)


def commands(title: str) -> list[str]:
    """Return what a section tells to type, each command with its here-document."""
    typed = [
        command
        for block in _blocks(section(title), "console")
        for command in _typed(iter(block.splitlines()))
    ]
    assert typed, f"the README's section {title!r} has no commands"
    return typed


def documents(title: str) -> list[str]:
    """Return a section's JSON documents, one after the other."""
    return _blocks(section(title), "json")


def program(title: str, language: str) -> str:
    """Return a section's program in that language."""
    (block,) = _blocks(section(title), language)
    return block


def exports(title: str) -> dict[str, str]:
    """Return the settings that a section tells to export."""
    lines = "\n".join(commands(title))
    return dict(re.findall(r"^export (\w+)=(\S+)", lines, re.MULTILINE))


def json_lines(title: str) -> str:
    """Return a section's trigger, which stands there as in a file: in one line."""
    (block,) = _blocks(section(title), "json")
    (line,) = block.splitlines()
    return line


def in_line(title: str, beginning: str) -> list[str]:
    """Return what stands between backticks and begins like this."""
    found = [
        " ".join(code.split())
        for code in re.findall(r"`([^`]+)`", _without_blocks(section(title)))
        if code.startswith(beginning)
    ]
    assert found, f"the README's section {title!r} has no `{beginning}…`"
    return found


def _without_blocks(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


def _typed(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("$ "):
            continue  # what is answered
        command = [line.removeprefix("$ ")]
        while command[-1].endswith("\\"):
            command.append(next(lines))
        if here := _HERE.search(command[-1]):
            command.append(next(lines))
            while command[-1] != here[1]:
                command.append(next(lines))
        yield "\n".join(command)
