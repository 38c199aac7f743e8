"""A canary in hosted runs: a script that prints its secret, and runs side by side."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.e2e.canary import Canary, files_below
from tests.installed.api import Api, token_of
from tests.installed.home import Home
from tests.installed.hosting import hosting, new_analysis, new_policy, new_secret

CANARY = Canary(name="printed", value='cAnary+7f/Zq "x9\\ü~K3w%41')
PRINTS = """\
import base64, json, os, sys, urllib.parse
(pair,) = json.loads(os.environ["T_ANALYSIS_ENV"])
value = pair["value"]
for before in (b"", b"x", b"xy"):
    print(base64.b64encode(before + value.encode() + b"and more").decode())
print(urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value))
print(json.dumps(value), json.dumps(json.dumps(value)), repr(value), ascii(value))
print(os.environ["T_ANALYSIS_ENV"])
print("plain", value)
sys.stdout.write("cut " + value[:9])
sys.stdout.flush()
sys.stdout.write(value[9:] + "\\n")
print(value, file=sys.stderr)
raise ValueError(value)
"""
# What a run could see of another one, or of the worker.
PRIES = """\
import glob, json, os, time
own = json.loads(os.environ["T_ANALYSIS_ENV"])[0]["value"]
open("/scratch/tmp/" + own, "w").write(own)
deadline = time.monotonic() + 3
while time.monotonic() < deadline:
    seen = []
    for path in glob.glob("/proc/[0-9]*"):
        for name in ("environ", "cmdline"):
            try:
                seen.append(open(path + "/" + name, "rb").read().decode("latin-1"))
            except OSError:
                pass
    for folder, _, names in os.walk("/scratch"):
        seen += [folder, *names]
    seen += glob.glob("/dev/shm/*") + glob.glob("/tmp/*")
    text = " ".join(seen)
    assert OTHER not in text, "the other one's value"
    assert "WORKERS_OWN" not in text and "KEYRELAY" not in text, "the worker's"
    time.sleep(0.05)
print("saw nothing of the others")
"""


def test_a_script_that_prints_its_secret_shows_it_nowhere(
    original: Home, tmp_path: Path, bwrap: Path
) -> None:
    home = original.copied(tmp_path / "home")
    with hosting(home) as hosted:
        api = hosted.with_token(token_of(home, "full"))
        new_secret(api, "password", CANARY.value)
        new_policy(api)
        analysis = new_analysis(api, PRINTS)

        ran = analysis.run()

        told = [
            json.dumps(ran.document, ensure_ascii=False),
            "\n".join(ran.console),
            json.dumps(api.get("/analysis/").document, ensure_ascii=False),
            home.run("analysis", "logs", "cold rooms"),
            home.run("analysis", "runs", "cold rooms", "--json"),
            home.run("audit", "list", "--json"),
        ]
        while_up = dict(files_below(home.path))
    said = "\n".join(hosted.command.said)

    assert ran.state == "failed"
    assert "plain" in "".join(ran.console)
    for text in (*told, said):
        assert not CANARY.stands_in(text.encode())
    for files in (while_up, dict(files_below(home.path))):
        assert files
        assert [name for name, raw in files.items() if CANARY.stands_in(raw)] == []


@pytest.fixture
def api_of(hosted: Api) -> Callable[[Home], Api]:
    return lambda profile: hosted.with_token(token_of(profile, "full"))


def test_of_two_runs_at_once_in_two_profiles_none_sees_the_other(
    new_profile: Callable[[], Home], api_of: Callable[[Home], Api]
) -> None:
    values = ("first-ones-value", "other-ones-value")
    asked = []
    for own, other in (values, values[::-1]):
        api = api_of(new_profile())
        new_secret(api, "password", own)
        new_policy(api)
        analysis = new_analysis(api, f"OTHER = {other!r}\n{PRIES}")
        asked.append((analysis, str(analysis.ask()["run"])))

    ran = [analysis.ended(run) for analysis, run in asked]

    assert [each.state for each in ran] == ["done", "done"], [r.console for r in ran]
    one, two = (each.document for each in ran)
    # They were run at once, or this tells nothing.
    assert str(two["started_at"]) < str(one["ended_at"])
    (one_analysis, _), (_, two_run) = asked
    assert (
        one_analysis.api.get(f"/analysis/{one_analysis.id}/runs/{two_run}").status
        == 404
    )


def test_nothing_of_the_worker_s_environment_is_in_that_of_a_script(
    original: Home, tmp_path: Path, bwrap: Path
) -> None:
    home = original.copied(tmp_path / "home", {"WORKERS_OWN": "the worker's own"})
    with hosting(home) as hosted:
        api = hosted.with_token(token_of(home, "full"))
        analysis = new_analysis(
            api, "import os\nprint(*sorted(os.environ))\nprint(dict(os.environ))"
        )
        ran = analysis.run()

    assert ran.state == "done"
    assert {*ran.console[0].split()} - {"LC_CTYPE"} == {
        *("T_ANALYSIS_CONTEXT", "T_ANALYSIS_TOKEN", "T_ANALYSIS_ID"),
        *("T_ANALYSIS_ENV", "T_ANALYSIS_DATA", "TAGOIO_API", "TAGOIO_SSE"),
        *("PATH", "HOME", "LANG", "PYTHONUNBUFFERED"),
    }
    assert "worker's own" not in ran.console[1]


@pytest.fixture
def without_a_wall(tmp_path: Path) -> Mapping[str, str]:
    """A PATH with the programs of this machine that Keyrelay may want, but no bwrap."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "env", "python3", "node"):
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
    return {"PATH": str(folder)}


def test_without_a_wall_all_else_works_and_a_hosted_run_is_refused_in_a_sentence(
    original: Home, tmp_path: Path, without_a_wall: Mapping[str, str]
) -> None:
    home = original.copied(tmp_path / "home", without_a_wall)
    with hosting(home) as hosted:
        api = hosted.with_token(token_of(home, "full"))
        new_secret(api, "password", CANARY.value)
        new_policy(api)
        analysis = new_analysis(api, "print('started')")

        ran = analysis.run()
        records = home.read("audit", "list", "--kind", "release")

    assert ran.state == "failed"
    assert ran.sentence.startswith("hosted scripts need bubblewrap")
    assert "apt-get install bubblewrap" in ran.sentence
    assert "started" not in ran.console
    assert records == []
