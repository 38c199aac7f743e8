"""House: a whole store in one database, for tests to use and to tamper with."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import insert, select, text

from keyrelay.databases.database import Database
from keyrelay.databases.opening import open_database
from keyrelay.model.ids import new_id
from keyrelay.model.policy.policy import Denial, Permit, decide
from keyrelay.model.secret import Secret
from keyrelay.model.world import World
from keyrelay.stores.attempts import AttemptStore
from keyrelay.stores.audit.log import ChainedLog, open_audit_log
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.consoles import ConsoleStore
from keyrelay.stores.dead_letters import DeadLetterStore
from keyrelay.stores.definitions.accepting import Accepting
from keyrelay.stores.definitions.actions import ActionStore, action_store
from keyrelay.stores.definitions.analyses import AnalysisStore, analysis_store
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.indexing import create_index
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.definitions.policies import PolicyStore, policy_store
from keyrelay.stores.definitions.seals import seal_keys
from keyrelay.stores.definitions.secrets import SecretStore
from keyrelay.stores.definitions.token_making import NewToken
from keyrelay.stores.definitions.token_rows import sealed_of, stored_of
from keyrelay.stores.definitions.tokens import TokenStore
from keyrelay.stores.installation import (
    Installation,
    Profile,
    create_installation,
    read_installation,
)
from keyrelay.stores.jobs.records import JobRecords
from keyrelay.stores.schema.age import is_current
from keyrelay.stores.schema.migrations import migrate
from keyrelay.stores.schema.tables import (
    actions,
    policies,
    profiles,
    secrets,
    tags,
    tokens,
)
from keyrelay.vault.key import Key
from keyrelay.vault.keyring import Keyring, new_keys
from keyrelay.vault.local_key import LocalKey
from keyrelay.vault.vault import Vault
from tests.contract.stores.claims import Wire
from tests.contract.stores.ground import Ground
from tests.fakes import Clock
from tests.samples import (
    ACTIONS,
    NOON,
    OTHER_PROFILE,
    PROFILE,
    Operator,
    secret_rules,
)

STORE = "1" * 24
ADA = "ada"
RULES = secret_rules(Operator())
CANARY = "canary-71c3"
SMTP_VALUE = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay",
    "password": CANARY,
}
SQS_VALUE = {
    "aws_region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "access_key_id": "AKIA",
    "secret_access_key": CANARY,
}
FIFO_VALUE = SQS_VALUE | {"queue_url": f"{SQS_VALUE['queue_url']}.fifo"}
_BYTES = re.compile(r"\bx'(?=[0-9a-f]+')")
# Undoes the migrations from that on which brought analyses.
BEFORE_ANALYSES = (
    "DROP TABLE sessions",
    "DROP TABLE run_hosts",
    "DROP TABLE schedules",
    "DROP TABLE runs",
    "DROP INDEX ix_audit_records_releases",
    "DROP TABLE console_lines",
    "DROP TABLE scripts",
    "DROP TABLE analyses",
    "DROP INDEX ix_tokens_analysis_run",
    *[
        f"ALTER TABLE tokens DROP COLUMN {column}"
        for column in ("analysis", "run", "envelope")
    ],
)
# Undoes the migrations from that on which gave each profile an index.
BEFORE_THE_INDEX = (
    *BEFORE_ANALYSES,
    "DROP TABLE attempts",
    "DROP TABLE attempt_counts",
    "DROP TABLE last_times",
    *[
        f"DROP INDEX {index.name}"
        for table in (secrets, actions, policies, tags)
        for index in table.indexes
    ],
    "ALTER TABLE tags DROP COLUMN profile",
    "ALTER TABLE installation DROP COLUMN history",
    "DROP TABLE job_results",
    "DROP TABLE jobs",
    "DROP TABLE tokens",
    "DROP TABLE pauses",
    "DROP INDEX ix_claims_unsettled",
    "DROP INDEX ix_audit_records_changes",
    "DROP INDEX ix_audit_records_profile_action_at",
    "ALTER TABLE claims DROP COLUMN publisher",
    "ALTER TABLE claims DROP COLUMN action",
    "ALTER TABLE claims DROP COLUMN reason",
    "ALTER TABLE claims DROP COLUMN waits_for",
    "DROP TABLE definition_entries",
    "DROP TABLE definition_heads",
    "ALTER TABLE secrets DROP COLUMN version",
    *[
        f"ALTER TABLE {table} DROP COLUMN {column}"
        for table in ("secrets", "actions", "policies")
        for column in ("generation", "mac")
    ],
)
TAGS = [{"key": "site", "value": "north"}]


def smtp_secret(key: str = "smtp-main") -> dict[str, object]:
    return {"key": key, "value": SMTP_VALUE, "tags": TAGS}


def mail_action(secret: str, name: str = "Tell") -> dict[str, object]:
    return {
        "name": name,
        "action": {
            "type": "email-smtp",
            "from": "relay@example.com",
            "to": "ada@example.com",
            "subject": "$VARIABLE$",
            "message": "$VALUE$",
            "smtp_secret": secret,
        },
    }


def allow(name: str = "actions may use secrets") -> dict[str, object]:
    return {
        "name": name,
        "targets": [["action"]],
        "permissions": [
            {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
        ],
    }


@dataclass(frozen=True, kw_only=True)
class House:
    """`wire` is the database as its audit log sees it."""

    database: Database
    wire: Wire
    clock: Clock
    audit_log: ChainedLog
    catalog: LiveCatalog
    replaced: list[str]

    @property
    def journal(self) -> Journal:
        return Journal(audit_log=self.audit_log)

    @property
    def secrets(self) -> SecretStore:
        return SecretStore(
            database=self.database, journal=self.journal, rules=RULES, actions=ACTIONS
        )

    @property
    def actions(self) -> ActionStore:
        return action_store(self.database, self.journal, ACTIONS)

    @property
    def policies(self) -> PolicyStore:
        return policy_store(self.database, self.journal)

    @property
    def analyses(self) -> AnalysisStore:
        return analysis_store(self.database, self.journal)

    @property
    def consoles(self) -> ConsoleStore:
        return ConsoleStore(database=self.database)

    @property
    def tokens(self) -> TokenStore:
        return TokenStore(database=self.database, journal=self.journal)

    @property
    def accepting(self) -> Accepting:
        return Accepting(journal=self.journal, guard=self.catalog.guard)

    @property
    def dead_letters(self) -> DeadLetterStore:
        return DeadLetterStore(database=self.database, journal=self.journal)

    @property
    def attempts(self) -> AttemptStore:
        return AttemptStore(database=self.database)

    @property
    def jobs(self) -> JobRecords:
        return JobRecords(journal=self.journal)

    @property
    def trail(self) -> AuditTrail:
        return AuditTrail(
            database=self.database,
            vault=self.audit_log.vault,
            checkpoint=self.audit_log.checkpoint,
        )

    async def main_token(self, analysis: str) -> NewToken:
        """Return the token of an analysis, without a record that it was shown."""
        columns = tokens.c
        wanted = select(tokens).where(
            columns.analysis == analysis, columns.run.is_(None)
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(wanted)).one()
        sealed = sealed_of(row)
        vault = self.audit_log.vault
        plaintext = await vault.open_token(sealed.token, sealed.envelope)
        return NewToken(stored=stored_of(row), plaintext=plaintext)

    async def break_in(self, *statements: str) -> None:
        """Do what only a person with access to the database can."""
        async with self.database.writing() as connection:
            for statement in statements:
                await connection.exec_driver_sql(self._said(statement))

    async def refuse_records(self) -> None:
        """Have the database refuse every further record as if it were full."""
        await self.refuse_rows("audit_records")

    async def refuse_rows(self, table: str) -> None:
        await self.break_in(
            f"ALTER TABLE {table} ADD CONSTRAINT full_disk CHECK (false) NOT VALID"
            if self.database.is_shared
            else f"CREATE TRIGGER refuse BEFORE INSERT ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

    async def look(self, statement: str) -> list[tuple[object, ...]]:
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]

    async def new_secret(self, key: str = "smtp-main") -> str:
        sealed = await self.secrets.create(PROFILE, smtp_secret(key), ADA)
        return sealed.secret.id

    def _said(self, statement: str) -> str:
        """Write bytes as the database does; statements here have them as SQLite."""
        shared = self.database.is_shared
        return _BYTES.sub(r"'\\x", statement) if shared else statement

    async def verdict(self, action: str, secret: str) -> Permit | Denial:
        catalog = self.catalog.current()
        return decide(
            catalog.policies_of(PROFILE),
            catalog.actions[PROFILE, action].tagged,
            catalog.secrets[PROFILE, secret],
        )


@dataclass
class _Told:
    """The secrets that the catalog has reported as replaced."""

    secrets: list[str] = field(default_factory=list)

    def __call__(self, secret: Secret) -> None:
        self.secrets.append(secret.id)


@asynccontextmanager
async def open_house(
    ground: Ground, clock: Clock | None = None
) -> AsyncIterator[House]:
    """Open the store as one process has it; the first process creates it."""
    clock = clock or Clock(time=NOON)
    world = World(now=clock.now, chance=lambda: 0.5, new_id=new_id, sleep=clock.sleep)
    key = LocalKey(Key(bytes(32)))
    async with open_database(ground.url) as database:
        if not await is_current(database):
            await migrate(database)
        before = await read_installation(database)
        installed = before or Installation(
            store=STORE, keys=await new_keys(key, STORE, clock.now, new_id)
        )
        vault = Vault(
            Keyring(
                store_id=installed.store,
                wrapped=installed.keys,
                provider=lambda: key,
                now=clock.now,
            )
        )
        checkpoint = ground.folder / "audit.checkpoint"
        wire = Wire(database=database)
        async with open_audit_log(wire, vault, world, checkpoint) as audit_log:
            if before is None:
                await create_installation(
                    audit_log, installed, Profile(id=PROFILE, name="main"), ADA
                )
                async with audit_log.recording() as recording:
                    await recording.connection.execute(
                        insert(profiles).values(id=OTHER_PROFILE, name="other")
                    )
                    keys = await seal_keys(vault)
                    await create_index(recording.connection, keys, OTHER_PROFILE)
            told = _Told()
            catalog = LiveCatalog(
                database=database,
                guard=DefinitionGuard(vault=vault, checkpoint=audit_log.checkpoint),
                world=world,
                rules=ACTIONS,
                replaced=told,
            )
            await catalog.refresh()
            yield House(
                database=database,
                wire=wire,
                clock=clock,
                audit_log=audit_log,
                catalog=catalog,
                replaced=told.secrets,
            )
