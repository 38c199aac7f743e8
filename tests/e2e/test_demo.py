"""`keyrelay demo`, as a newcomer runs it: without a terminal, with nothing set up."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store, read_catalog
from keyrelay.model.policy.policy import Permit, decide
from tests.e2e import leftovers
from tests.installed import command
from tests.installed.forking import KEYRELAY

WITHIN = timedelta(minutes=8)
pytestmark = pytest.mark.timeout(600)

WATCHED = [sys.executable, "-m", "tests.e2e.leftovers", str(KEYRELAY), "demo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How the demo ended, what it printed, and where it took place."""

    code: int
    text: str
    directory: Path


def environment(temporary: Path) -> dict[str, str]:
    """Return a newcomer's, whose settings for AWS lead nowhere, and for us too."""
    return os.environ | {
        "TMPDIR": str(temporary),
        "AWS_PROFILE": "missing",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "KEYRELAY_HOME": "/nowhere",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, bwrap: Path) -> Run:
    temporary = tmp_path_factory.mktemp("kept")
    with command.running([*WATCHED, "--keep"], environment(temporary)) as demo:
        code = demo.end(WITHIN)
    (directory,) = temporary.glob("keyrelay-demo-*")
    return Run(code=code, text="\n".join(demo.said), directory=directory)


async def values_in(home: Path) -> set[str]:
    """Open what policies permit, and return the values that are secret."""
    settings = load_settings(None, {"home": home})
    async with open_store(settings) as store:
        catalog = await read_catalog(store)
        verdicts = [
            decide(catalog.policies_of(profile), action.tagged, sealed)
            for (profile, _), action in catalog.actions.items()
            for sealed in catalog.secrets.values()
        ]
        permits = [verdict for verdict in verdicts if isinstance(verdict, Permit)]
        opened = [await store.vault.open(permit) for permit in permits]
    fields = {"password", "access_key_id", "secret_access_key"}
    return {
        value
        for secret in opened
        for name, value in json.loads(secret.value.reveal()).items()
        if name in fields
    }


def test_it_ends_well_and_leaves_no_process_behind(run: Run) -> None:
    assert run.code != leftovers.LEFT
    assert run.code == 0, run.text


@pytest.mark.parametrize(
    "line",
    [
        "$ keyrelay init",
        "✓ 100 accepted: 46 alarms by mail, 45 pallets for the queue, 5 newsletters",
        "$ kill -9 ",
        "✓ killed with SIGKILL: ",
        "$ keyrelay worker --drain",
        "✓ the queue is empty",
        "✓ nothing is lost: 46 + 45 + 9 = 100",
        "Message-ID: <demo-",
        '[{"variable":"pallet","value":"P-002"}]',
        "denied (no-policy): ",
        'the nearest: policy "the cold chain sends mail"',
        "550 5.1.1 No such mailbox here",
        "✓ 5 dead letters that no policy permits, 4 that the mail server refused",
        "✓ the policy gave the script its secret, and its console masks it",
        "✓ the audit trail is whole",
        "✓ the search found nothing",
        "Where to go next:",
    ],
)
def test_it_shows_what_it_promises(run: Run, line: str) -> None:
    unfolded = " ".join(run.text.split())

    assert line.strip() in unfolded


def test_it_makes_no_token_that_anybody_could_read(run: Run) -> None:
    assert "$ keyrelay init --no-token" in run.text


async def test_no_secret_value_is_in_what_it_says(run: Run) -> None:
    values = await values_in(run.directory / "home")

    assert len(values) == 3
    assert [value for value in values if value in run.text] == []


def test_interrupted_it_cleans_up_and_leaves_no_process_behind(tmp_path: Path) -> None:
    with command.running(WATCHED, environment(tmp_path)) as demo:
        demo.await_said("$ keyrelay worker", within=WITHIN)
        demo.send(signal.SIGTERM)
        code = demo.end(WITHIN)

    assert code == 130
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_what_to_install() -> None:
    # What is None there cannot be imported.
    started = "import sys; sys.modules['aiosmtpd'] = None; sys.argv[1:] = ['demo'];"
    ended = subprocess.run(
        [sys.executable, "-c", f"{started} from keyrelay.cli import run; run()"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        "keyrelay: the demo needs more: run pip install 'keyrelay[demo]'\n"
    )
