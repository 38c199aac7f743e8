"""Rows altered by hand: `key status --check` names each, and nothing is released."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.definitions import publish, trigger
from tests.installed.home import Home
from tests.installed.tampering import tamper
from tests.services import deadline
from tests.services.postgresql import PostgreSql

WITHIN = timedelta(seconds=30)
ANOTHER = "f" * 24
EDITED = "its row was edited outside Keyrelay"
MISSING = "its row is missing or cannot be read"
PUT_BACK = "it is an older row that was put back"
PUT_IN = "it was put in outside Keyrelay"
ALTERED = "its script was altered outside Keyrelay: version"
SCRIPT_PUT_IN = "a script was put in outside Keyrelay: version"
SCRIPT = "print('begun')"

# The table of each thing that `furnish` makes, and what tells one from its copy.
TABLES: Mapping[str, str] = {
    "password": "secrets",
    "allowing": "policies",
    "tell": "actions",
    "rooms": "analyses",
    "token of rooms": "tokens",
    "ci": "tokens",
}
DIFFERS: Mapping[str, str] = {
    "secrets": "key = 'x', folded = 'x'",
    "policies": "name = 'x'",
    "actions": "name = 'x'",
    "analyses": "name = 'x'",
    "tokens": "digest = x'01'",
}
RELEASE: Mapping[str, object] = {
    "name": "allowing",
    "targets": [["analysis"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """`ids` are those of what `TABLES` names, and of tokens that were revoked."""

    home: Home
    ids: Mapping[str, str]

    def alter(self, *statements: str) -> None:
        """Do what statements say, in which {a name} stands for an id."""
        tamper(self.home, *[_filled(each, self.ids) for each in statements])

    def check(self) -> tuple[int, str]:
        """Return exit code and what people are told is wrong."""
        ended = self.home.attempt("key", "status", "--check")
        return ended.code, ended.err

    def broken(self) -> Mapping[str, str]:
        """Return the flaw of each that is broken, by its id, as programs are told."""
        ended = self.home.attempt("key", "status", "--check", "--json")
        return {each["id"]: each["flaw"] for each in json.loads(ended.out)["broken"]}


def _filled(statement: str, ids: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z ]+)\}", lambda found: ids[found[1]], statement)


def furnish(home: Home) -> Furnished:
    """Make one thing of each kind; older rows of all stand in tables beside theirs."""
    home.run("init", "--no-token")
    named = ["--key", "password", "--type", "text", "--tag", "site=north"]
    secret = ["secret", "create", *named, "--value-file", "-"]
    ids = {
        "password": home.run(*secret, given="correct horse").strip(),
        "allowing": home.create("policy", RELEASE),
        "rooms": new_analysis(home, "rooms", "tago"),
        "outside": new_analysis(home, "outside", "external"),
    }
    does = {"type": "script", "script": [ids["rooms"]]}
    ids["tell"] = home.create("action", {"name": "tell", "action": does})
    for name in ("ci", "gone"):
        home.run("token", "create", name)
        ids[name] = token_id(home, name)
    for name in ("rooms", "outside"):
        ids[f"token of {name}"] = token_id(home, name)
    tables = [*sorted({*TABLES.values()}), "scripts", "definition_entries"]
    tamper(home, *[f"CREATE TABLE old_{t} AS SELECT * FROM {t}" for t in tables])  # noqa: S608
    _write_all_anew(home)
    return Furnished(home=home, ids=ids)


def new_analysis(home: Home, name: str, run_on: str) -> str:
    document = {
        "name": name,
        "description": "cold",
        "run_on": run_on,
        "runtime": "python-rt2025",
        "variables": [{"key": "limit", "value": 8}],
    }
    id_ = home.create("analysis", document)
    script = home.path.parent / "main.py"
    for code in (SCRIPT, f"{SCRIPT}  # again"):
        script.write_text(code)
        home.run("analysis", "upload", name, script)
    return id_


def token_id(home: Home, name: str) -> str:
    listed = home.read("token", "list", "--name", name)
    assert isinstance(listed, list)
    (token,) = listed
    return str(token["id"])


def _write_all_anew(home: Home) -> None:
    home.run("secret", "edit", "password", "--tag", "site=south")
    for noun, name in (
        ("policy", "allowing"),
        ("action", "tell"),
        ("analysis", "rooms"),
    ):
        home.run(noun, "edit", name, "--inactive")
        home.run(noun, "edit", name, "--active")
    home.run("token", "revoke", "gone")
    # Its main token is another one then.
    given = json.dumps({"run_on": "tago"})
    home.run("analysis", "edit", "outside", "--file", "-", given=given)


@pytest.fixture(scope="module", params=["embedded", "PostgreSQL"])
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    settings = {"KEYRELAY_API": "off", "KEYRELAY_PROBES": "off"}
    if request.param == "PostgreSQL":
        postgresql: PostgreSql = request.getfixturevalue("postgresql")
        settings["KEYRELAY_DATABASE"] = postgresql.url(postgresql.create())
    path = tmp_path_factory.mktemp("furnished") / "home"
    return furnish(Home(path=path, settings=settings))


@pytest.fixture
def furnished(
    original: Furnished, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Furnished]:
    """A copy, whose rows may be altered."""
    path, url = tmp_path / "home", original.home.settings.get("KEYRELAY_DATABASE")
    if url is None:
        yield Furnished(home=original.home.copied(path), ids=original.ids)
        return
    postgresql: PostgreSql = request.getfixturevalue("postgresql")
    name = postgresql.create(url.rpartition("/")[2])
    settings = {"KEYRELAY_DATABASE": postgresql.url(name)}
    yield Furnished(home=original.home.copied(path, settings), ids=original.ids)
    postgresql.drop(name)


Way = Callable[[str], tuple[str, ...]]  # the statements that alter the thing so named


def taken_out(name: str) -> tuple[str, ...]:
    return (f"DELETE FROM {TABLES[name]} WHERE id = '{{{name}}}'",)  # noqa: S608


def put_back(name: str) -> tuple[str, ...]:
    table = TABLES[name]
    older = f"INSERT INTO {table} SELECT * FROM old_{table} WHERE id = '{{{name}}}'"  # noqa: S608
    return (*taken_out(name), older)


def put_in(name: str) -> tuple[str, ...]:
    """Put a copy beside the thing."""
    table = TABLES[name]
    wanted = f"SELECT * FROM {table} WHERE id = '{{{name}}}'"  # noqa: S608
    return (
        f"CREATE TABLE copied AS {wanted}",
        f"UPDATE copied SET id = '{ANOTHER}', {DIFFERS[table]}",  # noqa: S608
        f"INSERT INTO {table} SELECT * FROM copied",  # noqa: S608
        "DROP TABLE copied",
    )


def edited(change: str) -> Way:
    def statements(name: str) -> tuple[str, ...]:
        return (f"UPDATE {TABLES[name]} SET {change} WHERE id = '{{{name}}}'",)  # noqa: S608

    return statements


def of_script(statement: str) -> Way:
    return lambda name: (f"{statement} AND analysis = '{{{name}}}'",)


def script_put_in(name: str) -> tuple[str, ...]:
    return (f"INSERT INTO scripts VALUES ('{{{name}}}', 3, x'00')",)  # noqa: S608


def revival(name: str) -> tuple[str, ...]:
    """Put a token back that was revoked."""
    return (f"INSERT INTO tokens SELECT * FROM old_tokens WHERE id = '{{{name}}}'",)  # noqa: S608


SWAP = (
    "UPDATE scripts SET content = (SELECT content FROM old_scripts AS other"
    " WHERE other.analysis = scripts.analysis AND other.version <> scripts.version)"
    " WHERE version IN (1, 2)"
)
OTHER_DIGEST = """versions = replace(versions, '"digest": "', '"digest": "0')"""
ALTERATIONS: Mapping[str, tuple[str, Way, str]] = {
    # An analysis: its definition, its variables, its scripts, and where it runs.
    "definition": (
        "rooms",
        edited("document = replace(document, 'cold', 'x')"),
        EDITED,
    ),
    "variable": ("rooms", edited("document = replace(document, 'limit', 'x')"), EDITED),
    "name": ("rooms", edited("name = 'other'"), EDITED),
    "switched off": ("rooms", edited("active = false"), EDITED),
    "digest": ("rooms", edited(OTHER_DIGEST), EDITED),
    "no versions": ("rooms", edited("versions = '[]'"), EDITED),
    "version that runs": ("rooms", edited("version = 1"), EDITED),
    "run_on": ("rooms", edited("run_on = 'external'"), EDITED),
    "taken out": ("rooms", taken_out, MISSING),
    "put back": ("rooms", put_back, PUT_BACK),
    "put in": ("rooms", put_in, PUT_IN),
    "script that runs": (
        "rooms",
        of_script("UPDATE scripts SET content = x'00' WHERE version = 2"),
        f"{ALTERED} 2",
    ),
    "older script": (
        "rooms",
        of_script("UPDATE scripts SET content = x'00' WHERE version = 1"),
        f"{ALTERED} 1",
    ),
    "script taken out": (
        "rooms",
        of_script("DELETE FROM scripts WHERE version = 2"),
        f"{ALTERED} 2",
    ),
    "scripts swapped": ("rooms", of_script(SWAP), f"{ALTERED} 1, 2"),
    "script put in": ("rooms", script_put_in, f"{SCRIPT_PUT_IN} 3"),
    # Tokens of analyses and others, and revocations.
    "token's digest": ("token of rooms", edited(f"digest = x'{'01' * 32}'"), EDITED),
    "token's analysis": ("token of rooms", edited("analysis = '{outside}'"), EDITED),
    "token's run": ("token of rooms", edited("run = 'other'"), EDITED),
    "token's envelope": ("token of rooms", edited("envelope = x'00'"), EDITED),
    "token taken out": ("token of rooms", taken_out, MISSING),
    "token put in": ("token of rooms", put_in, PUT_IN),
    "renewed token put back": ("token of outside", revival, PUT_IN),
    "level": ("ci", edited("document = replace(document, 'read', 'full')"), EDITED),
    "expiry": ("ci", edited("expires_at = '2040-01-01 00:00:00.000000'"), EDITED),
    "profile token taken out": ("ci", taken_out, MISSING),
    "revoked token put back": ("gone", revival, PUT_IN),
    # What decides on secrets, and what fires runs.
    "tags": ("password", edited("tags = '{\"tags\": []}'"), EDITED),
    "secret taken out": ("password", taken_out, MISSING),
    "secret put back": ("password", put_back, PUT_BACK),
    "secret put in": ("password", put_in, PUT_IN),
    "policy": (
        "allowing",
        edited("document = replace(document, 'access', '*')"),
        EDITED,
    ),
    "policy taken out": ("allowing", taken_out, MISSING),
    "policy put back": ("allowing", put_back, PUT_BACK),
    "policy put in": ("allowing", put_in, PUT_IN),
    "action": ("tell", edited("document = replace(document, 'tell', 'x')"), EDITED),
    "action taken out": ("tell", taken_out, MISSING),
    "action put back": ("tell", put_back, PUT_BACK),
    "action put in": ("tell", put_in, PUT_IN),
}


def test_what_was_written_is_sound(furnished: Furnished) -> None:
    code, said = furnished.check()

    assert (code, said) == (0, "")
    assert furnished.broken() == {}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_what_was_altered_is_named_and_nothing_else_is(
    furnished: Furnished, alteration: str
) -> None:
    name, way, flaw = ALTERATIONS[alteration]
    id_ = ANOTHER if way is put_in else furnished.ids[name]
    furnished.alter(*way(name))

    code, said = furnished.check()

    (line, remedy) = said.splitlines()
    assert code == 4
    assert f" {id_} " in line
    assert "()" not in line
    assert flaw in line
    assert "definitions accept" in remedy
    assert furnished.broken().keys() == {id_}


OF_WHAT_RUNS = [
    *("definition", "variable", "digest", "version that runs", "put back"),
    *("script that runs", "script taken out", "scripts swapped"),
]


@pytest.mark.parametrize("alteration", OF_WHAT_RUNS)
def test_an_analysis_that_was_altered_is_not_run_and_given_nothing(
    furnished: Furnished, bwrap: Path, alteration: str
) -> None:
    name, way, _ = ALTERATIONS[alteration]
    furnished.alter(*way(name))

    runs = attempted(furnished.home, furnished.ids)

    assert {run["state"] for run in runs} == {"failed"}
    assert "begun" not in json.dumps(runs)
    assert (PUT_BACK if way is put_back else "outside Keyrelay") in json.dumps(runs)
    assert furnished.home.read("audit", "list", "--kind", "release") == []
    assert bwrap.exists()


def test_a_revocation_that_was_undone_with_its_entry_is_that_of_the_whole_index(
    furnished: Furnished,
) -> None:
    entry = "INSERT INTO definition_entries SELECT * FROM old_definition_entries"
    furnished.alter(*revival("gone"), f"{entry} WHERE id = '{{gone}}'")

    code, said = furnished.check()

    assert code == 4
    assert "the index of profile default: none of its definitions is believed" in said


def test_of_all_that_was_altered_together_all_is_named_and_nothing_is_run(
    furnished: Furnished, bwrap: Path
) -> None:
    altered = ["password", "allowing", "tell", "rooms"]
    furnished.alter(*[each for name in altered for each in put_back(name)])
    furnished.alter(*put_in("ci"), *edited("run = 'x'")("token of rooms"))
    furnished.alter(*revival("gone"), "UPDATE scripts SET content = x'00'")

    code, said = furnished.check()
    runs = attempted(furnished.home, furnished.ids)

    named = {furnished.ids[each] for each in [*altered, "token of rooms", "gone"]}
    named |= {furnished.ids["outside"], ANOTHER}  # its script
    assert code == 4
    assert {each for each in named if f" {each} " in said} == named
    assert furnished.broken().keys() == named
    assert [run["state"] for run in runs] == ["failed"]
    assert "begun" not in json.dumps(runs)
    assert PUT_BACK in json.dumps(runs)
    assert furnished.home.read("audit", "list", "--kind", "release") == []
    assert bwrap.exists()


def attempted(home: Home, ids: Mapping[str, str]) -> list[Mapping[str, object]]:
    """Ask for a run in both ways, and return the runs there are once none waits."""
    home.run("analysis", "run", ids["rooms"])
    publish(home, trigger("t1", ids["tell"]))

    def runs() -> list[Mapping[str, object]]:
        listed = home.read("analysis", "runs", ids["rooms"])
        assert isinstance(listed, list)
        return listed

    def is_over() -> bool:
        return {run["state"] for run in runs()} == {"failed"}

    settings = {"KEYRELAY_ANALYSES": "hosted"}
    with home.under(settings).running("worker") as worker:
        worker.await_said("t1")
        assert deadline.met(is_over, WITHIN), worker.said
    return runs()
