"""Source: the product's own code, read for the tests of its shape and its words."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "keyrelay"
MODULES = sorted(
    path.relative_to(ROOT)
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT) != Path("__init__.py")
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def text_of(module: Path) -> str:
    return (ROOT / module).read_text()


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(text_of(module))


def functions(module: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, Function):
            yield node


def classes(module: Path) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ClassDef):
            yield node


def parameters(function: Function) -> set[str]:
    given = function.args
    return {
        parameter.arg
        for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs)
    } - {"self", "cls"}


def prose(module: Path) -> Iterator[str]:
    """Yield the lines of all docstrings and comments, stripped."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            docstring = ast.get_docstring(node) or ""
            yield from (line.strip() for line in docstring.splitlines())
    for token in tokenize.generate_tokens(io.StringIO(text_of(module)).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
