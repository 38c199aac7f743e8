"""Claims as they become many: what is asked does not take longer for it."""

import pytest
from sqlalchemy import text

from keyrelay.databases.opening import open_database
from keyrelay.model.claim import ClaimStatus
from keyrelay.stores.claims.rows import encode, ending_row
from keyrelay.stores.claims.statements import statements_for
from tests.contract.stores.claims import FIRST, ending
from tests.contract.stores.ground import Ground, on_postgresql
from tests.samples import NOON

pytestmark = pytest.mark.timeout(60)

_GROW = text("""
INSERT INTO claims
  (profile, id, generation, sequence, status, attempts, cut, done, claimed_at)
SELECT 'p', 'of another ' || number, 0, 0, 'parked', 0, false, '[]', now()
FROM generate_series(1, 100000) AS number
""")
_READ = text("""
SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'claims'
""")


@on_postgresql
async def test_what_was_prepared_while_there_were_few_does_not_read_all_of_many(
    ground: Ground,
) -> None:
    told = {
        "ours": "1" * 24,
        "now": NOON,
        "rows": encode([ending_row(ending(FIRST, ClaimStatus.DONE))]),
    }
    async with open_database(ground.url) as database, database.transaction() as it:
        statements = statements_for(database)
        for _ in range(10):
            await it.execute(statements.end, told)
        await it.execute(_GROW)
        before = (await it.execute(_READ)).scalar_one()

        await it.execute(statements.end, told)

        assert (await it.execute(_READ)).scalar_one() == before
