"""Command: Keyrelay's command line, run in this process, and what it said."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from keyrelay.cli import app

Document = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        assert self.code == 0, self
        return json.loads(self.out)

    @property
    def document(self) -> Document:
        answer = self.json
        assert isinstance(answer, dict)
        return answer

    @property
    def documents(self) -> list[Document]:
        answer = self.json
        assert isinstance(answer, list)
        return answer

    @property
    def id(self) -> str:
        assert self.code == 0, self
        return self.out.strip()

    @property
    def is_one_sentence(self) -> bool:
        """Whether people get one line and no traceback, and programs get nothing."""
        lines = self.err.splitlines()
        return self.out == "" and len(lines) == 1 and lines[0].startswith("keyrelay: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyrelay:
    """`home` is its data directory."""

    home: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path, stdin: str | bytes = "") -> Said:
        self.capture.readouterr()
        with self._reading(stdin):
            code = _run([str(argument) for argument in arguments])
        said = self.capture.readouterr()
        return Said(code=code, out=said.out, err=said.err)

    def write(self, name: str, document: Mapping[str, object] | str) -> Path:
        """Return a file beside the data directory that holds it."""
        file = self.home.parent / name
        text = document if isinstance(document, str) else json.dumps(document)
        file.write_text(text)
        return file

    @contextmanager
    def _reading(self, stdin: str | bytes) -> Iterator[None]:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        file = self.home.parent / "stdin"
        file.write_bytes(raw)
        before = sys.stdin
        with file.open(encoding="utf-8") as sys.stdin:
            try:
                yield
            finally:
                sys.stdin = before


def contents(home: Path) -> dict[str, bytes]:
    """Return every file of a data directory."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        command(args=arguments, prog_name="keyrelay")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return os.EX_OK
