"""Kinds of scripts: both languages, single files and archives."""

import io
import json
import tarfile
import zipfile

import pytest

from keyrelay.dispatchers.script.ending import Exited, NotStarted, OverLimit
from keyrelay.dispatchers.script.interpreter import Interpreter, node
from tests.contract.script.hosting import (
    CANARY,
    ROOMY,
    SMALL,
    Site,
    a_run,
    an_api,
    an_archive,
    our_site,
    ran,
    ran_on,
)

pytest_plugins = ["tests.contract.script.script_fixtures"]


@pytest.fixture
def javascript() -> Interpreter:
    found = node()
    if found is None:
        pytest.skip("this machine has no node in PATH")
    return found


def a_tar(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return target.getvalue()


def a_zip(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return target.getvalue()


async def test_an_archive_is_unpacked_and_its_entry_is_run(site: Site) -> None:
    files = {"main.py": "from part.one import x\nprint(x)", "part/one.py": "x = 'one'"}
    run = an_archive(a_tar(files), site.interpreter, name="script.tar.gz")

    result = await ran(run, site)

    assert (result.ending.end, result.lines) == (Exited(0), ["one"])


async def test_an_archive_that_is_refused_is_told(site: Site) -> None:
    run = an_archive(a_tar({"../main.py": ""}), site.interpreter, name="a.tar.gz")

    result = await ran(run, site)

    assert result.ending.sentence == (
        "The script was not started: the archive has a path that is not allowed: "
        "'../main.py'."
    )
    assert result.lines == []


async def test_an_environment_that_is_too_large_is_told(site: Site) -> None:
    pairs = [("large", "x" * 200_000)]
    run = a_run("print()", site.interpreter, pairs=pairs)

    result = await ran(run, site)

    assert isinstance(result.ending.end, NotStarted)
    assert "in the variable T_ANALYSIS_ENV" in result.ending.end.reason


async def test_a_script_for_node_runs_with_its_modules(
    bwrap: object, javascript: Interpreter
) -> None:
    files = {
        "package.json": json.dumps({"main": "lib/run.js"}),
        "lib/run.js": "console.log(require('./two'));"
        "console.error(JSON.parse(process.env.T_ANALYSIS_ENV)[0].value)",
        "lib/two.js": "module.exports = 'two'",
    }
    run = an_archive(
        a_zip(files), javascript, name="script.zip", pairs=[("key", CANARY)]
    )

    result = await ran(run, our_site(), ROOMY)

    assert result.ending.end == Exited(0)
    assert sorted(result.lines) == [CANARY, "two"]


async def test_a_script_for_node_reaches_the_api(
    bwrap: object, javascript: Interpreter
) -> None:
    code = """\
        fetch(process.env.TAGOIO_API + "/info").then(async (answer) => {
          console.log((await answer.text()).length)
        })
    """
    async with an_api(b"x" * 100_000) as dial:
        run = a_run(code, javascript, name="script.js")
        result = await ran_on(run, our_site().host(dial), ROOMY)

    assert result.lines == ["100000"]


@pytest.mark.parametrize(
    "code",
    [
        "const kept = []; for (;;) kept.push(new Array(100000).fill(Math.random()))",
        "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))",
    ],
    ids=["in its heap", "beside its heap"],
)
async def test_a_script_for_node_that_eats_memory_is_stopped(
    bwrap: object, javascript: Interpreter, code: str
) -> None:
    result = await ran(a_run(code, javascript, name="a.js"), our_site(), SMALL)

    # Node ends itself where its own limit is passed first.
    ended_itself = result.ending.end == Exited(134)
    assert ended_itself or isinstance(result.ending.end, OverLimit)


async def test_an_unhandled_rejection_ends_with_code_1(
    bwrap: object, javascript: Interpreter
) -> None:
    run = a_run("Promise.reject(new Error('no'))", javascript, name="a.js")

    result = await ran(run, our_site(), ROOMY)

    assert result.ending.end == Exited(1)
