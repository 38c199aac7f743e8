"""Parts: the embedded queue, the vault and the policy decision, each alone."""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyrelay.model.action import TARGET
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.policy.policy import Permit, Policy, decide, index
from keyrelay.model.policy.policy_document import parse_policy
from keyrelay.model.secret import SealedSecret, SecretValue
from keyrelay.model.settlement import Done
from keyrelay.model.tags import Tag, Tagged
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import real_world
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from keyrelay.vault.key import new_key
from keyrelay.vault.keyring import Keyring, new_keys
from keyrelay.vault.local_key import LocalKey
from keyrelay.vault.vault import Vault
from tests.bench.measure import Measure, measuring
from tests.samples import PROFILE, a_policy, a_secret, sealed

Report = Callable[[Measure], None]

_LANES = 32
_STORE = "0" * 24
_VALUE = SecretValue('{"smtp_server":"mail.example.com","password":"hunter2"}')


async def queue(count: int, report: Report) -> None:
    """Accept and settle that many, handed in by as many lanes as a worker has."""
    options = SqliteOptions(drain=True)
    with tempfile.TemporaryDirectory() as folder:
        async with open_queue(
            Path(folder) / "queue.db", real_world(), options
        ) as opened:
            with measuring("queue: accept, lease, settle", count, report):
                with measuring("queue: accept", count, report):
                    await _accept(opened, count)
                with measuring("queue: lease, settle", count, report):
                    await _settle(opened)


async def vault(count: int, report: Report) -> None:
    opener, secret = await _vault(), a_secret()
    with measuring("vault: seal", count, report):
        for _ in range(count):
            await opener.seal(secret, _VALUE)
    permit = _permit(await opener.seal(secret, _VALUE))
    with measuring("vault: open", count, report):
        for _ in range(count):
            await opener.open(permit)


def policy(count: int, policies: int, report: Report) -> None:
    """Decide between that many policies, of which each is for one tag of targets."""
    rules = index(_policies(policies))
    asked = Tagged(
        kind=TARGET, profile=PROFILE, id="1" * 24, tags=(Tag("site", str(policies)),)
    )
    secret = sealed(a_secret())
    with measuring(f"policy: decide among {policies:,}", count, report):
        verdicts = [decide(rules, asked, secret) for _ in range(count)]
    assert all(isinstance(verdict, Permit) for verdict in verdicts)


async def _accept(opened: SqliteQueue, count: int) -> None:
    triggers = map(_trigger, range(count))

    async def lane() -> None:
        for trigger in triggers:
            await opened.accept(trigger)

    await asyncio.gather(*(lane() for _ in range(_LANES)))


async def _settle(opened: SqliteQueue) -> None:
    never = asyncio.Event()

    async def lane() -> None:
        while (lease := await opened.lease(until=never)) is not None:
            await lease.settle(Done())

    await asyncio.gather(*(lane() for _ in range(_LANES)))


def _trigger(number: int) -> Trigger:
    now = datetime.now(UTC)
    return Trigger(
        id=f"t{number}",
        profile=PROFILE,
        action="c" * 24,
        data=(),
        key=None,
        lifetime=Lifetime(raised_at=now, deadline=now + timedelta(hours=1)),
    )


async def _vault() -> Vault:
    world = real_world()
    key = LocalKey(new_key())
    keys = await new_keys(key, _STORE, world.now, world.new_id)
    keyring = Keyring(
        store_id=_STORE, wrapped=keys, provider=lambda: key, now=world.now
    )
    return Vault(keyring)


def _permit(envelope: bytes) -> Permit:
    template = sealed(a_secret())
    secret = SealedSecret(
        secret=template.secret,
        envelope=envelope,
        value_length=template.value_length,
        fifo=False,
        created_at=template.created_at,
        updated_at=template.updated_at,
    )
    target = Tagged(kind=TARGET, profile=PROFILE, id="1" * 24, tags=())
    verdict = decide(index([a_policy()]), target, secret)
    assert isinstance(verdict, Permit)
    return verdict


def _policies(count: int) -> Iterator[Policy]:
    for number in itertools.islice(itertools.count(1), count):
        document = {
            "name": f"policy {number}",
            "targets": [[TARGET, "tag.key", "site", "tag.value", str(number)]],
            "permissions": [
                {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
            ],
        }
        yield parse_policy(document, f"{number:024x}", PROFILE)
