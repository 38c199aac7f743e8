"""Story: the whole demo, from an empty directory to a balanced ledger."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from secrets import token_hex, token_urlsafe

from keyrelay.demo import cast
from keyrelay.demo.arrivals import Arrivals
from keyrelay.demo.catcher import Account, Catcher, catching
from keyrelay.demo.findings import collect
from keyrelay.demo.local_sqs import KeyPair, LocalQueue, serving
from keyrelay.demo.play import HOME, Play
from keyrelay.demo.preparing import define, publish
from keyrelay.demo.settling import balance
from keyrelay.demo.shell import Shell, environment
from keyrelay.demo.showing import show_arrivals, show_records, show_refusals
from keyrelay.demo.stage import Stage
from keyrelay.demo.working import work

_PACE = timedelta(seconds=0.15)  # of the catcher, so that there is something to watch
_CA_FILE = "catcher-ca.pem"
_NOTES = {
    "KEYRELAY_SMTP_PORTS": "the catcher's, not 587",
    "KEYRELAY_SMTP_CA_FILE": "vouches for the catcher",
    "KEYRELAY_EGRESS_ALLOW": "mail may go to this machine",
    "KEYRELAY_SQS_ENDPOINTS": "beside AWS",
    "KEYRELAY_LEASE_SECONDS": "30 if left out",
    "KEYRELAY_LANES": "32 if left out",
}


async def tell(stage: Stage, directory: Path) -> None:
    """Tell it in an empty directory. Raises UnexpectedAnswer and NoSqs."""
    _introduce(stage)
    account, keys, arrivals = _account(), _keys(), Arrivals()
    catcher = Catcher(account, arrivals.announce)
    async with (
        catching(catcher, directory / _CA_FILE) as port,
        serving(keys, "pallets") as queue,
    ):
        settings = _settings(port, queue)
        _show_settings(stage, directory, settings)
        shell = Shell(
            stage=stage, directory=directory, environment=environment(settings)
        )
        play = Play(shell=shell, catcher=catcher, queue=queue, arrivals=arrivals)
        mail, pallets = cast.mail_secret(port, account), cast.queue_secret(queue, keys)
        await publish(play, await define(play, mail, pallets))
        await work(play)
        findings = await collect(play)
        await balance(play, findings)
        show_arrivals(play, findings)
        await show_refusals(play, findings)
        await show_records(
            play, (account.password, keys.access_key_id, keys.secret_access_key)
        )


def _introduce(stage: Stage) -> None:
    stage.title(
        "Keyrelay in a minute",
        "Triggers in; e-mail and SQS messages out; nobody sees the secrets.",
    )
    stage.say(
        "A mail catcher that demands STARTTLS and a login plays the mail provider, moto"
        " plays SQS, both on this machine. Everything else is real: each command below"
        " is run as you would run it, with these settings:"
    )


def _show_settings(stage: Stage, directory: Path, settings: Mapping[str, str]) -> None:
    stage.command(["cd", str(directory)])
    for name, value in settings.items():
        stage.command(["export", f"{name}={value}"], _NOTES.get(name, ""))


def _account() -> Account:
    return Account(
        username="relay@rotterdam.example",
        password=token_urlsafe(),
        departed=cast.DEPARTED,
        pace=_PACE,
    )


def _keys() -> KeyPair:
    return KeyPair(
        access_key_id=f"AKIA{token_hex(8).upper()}",
        secret_access_key=token_urlsafe(30),
    )


def _settings(port: int, queue: LocalQueue) -> Mapping[str, str]:
    """Return what is not as usual; paths are relative to the directory."""
    return {
        "KEYRELAY_HOME": HOME,
        "KEYRELAY_SMTP_PORTS": str(port),
        "KEYRELAY_SMTP_CA_FILE": _CA_FILE,
        "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
        "KEYRELAY_SQS_ENDPOINTS": queue.origin,
        "KEYRELAY_LEASE_SECONDS": "1",
        "KEYRELAY_LANES": "4",
    }
