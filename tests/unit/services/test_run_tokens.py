"""Run tokens: each is its run's, until that is over, and cannot be made by others."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.analysis import RunOn
from keyrelay.model.ids import new_id
from keyrelay.model.run import RunCause, RunOrder, RunOrigin, RunState
from keyrelay.model.token import TokenKind
from keyrelay.ports import Unavailable
from keyrelay.services.authenticating import Authenticating
from keyrelay.services.run_tokens import LASTS, RunTokens
from keyrelay.services.signing import Signing
from keyrelay.stores.definitions.stored_document import id_of
from keyrelay.stores.definitions.token_rows import digest_of
from keyrelay.stores.runs.records import RunRecords
from keyrelay.vault.key import Key
from keyrelay.vault.keyring import Keyring, new_keys
from keyrelay.vault.local_key import LocalKey
from keyrelay.vault.vault import Vault
from tests.contract.stores.house import ADA, STORE, House
from tests.samples import NOON, OTHER_PROFILE, PROFILE

HOUR = timedelta(hours=1)


def records_of(house: House) -> RunRecords:
    return RunRecords(database=house.database, world=house.audit_log.world)


async def asked(house: House, analysis: str) -> RunOrder:
    """Return a run that was asked for."""
    order = RunOrder(
        id=new_id(NOON),
        profile=PROFILE,
        analysis=analysis,
        run_on=RunOn.HOSTED,
        cause=RunCause(origin=RunOrigin.REQUEST, asked_at=NOON, deadline=NOON + HOUR),
        scope="[]",
    )
    await records_of(house).keep(order)
    return order


@pytest.fixture
def tokens(house: House) -> RunTokens:
    return RunTokens(
        vault=house.audit_log.vault, runs=records_of(house), now=house.clock.now
    )


@pytest.fixture
async def order(house: House) -> RunOrder:
    """A run of an analysis that is there."""
    made = await house.analyses.documents.create(PROFILE, {"name": "cold rooms"}, ADA)
    await house.catalog.refresh()
    return await asked(house, id_of(made))


@pytest.fixture
def authenticating(house: House, tokens: RunTokens) -> Authenticating:
    return Authenticating(
        catalog=house.catalog.current,
        refresh=house.catalog.refresh,
        digest=partial(digest_of, house.audit_log.vault),
        now=house.clock.now,
        of_run=tokens.read,
    )


async def plaintext_of(tokens: RunTokens, order: RunOrder) -> str:
    return (await tokens.token(order)).reveal()


async def test_a_run_s_token_is_its_analysis_in_this_run_and_nothing_else(
    tokens: RunTokens, order: RunOrder
) -> None:
    text = await plaintext_of(tokens, order)

    token = await tokens.read(text)

    assert token is not None
    assert (token.profile, token.id) == (PROFILE, order.id)
    assert token.rights.kind is TokenKind.ANALYSIS
    assert (token.rights.analysis, token.rights.run) == (order.analysis, order.id)
    assert token.rights.level is None
    assert token.expires_at == order.cause.deadline + LASTS
    assert text.startswith(token.prefix)


async def test_it_is_the_same_each_time_and_another_for_each_run(
    tokens: RunTokens, order: RunOrder
) -> None:
    one, again = [await plaintext_of(tokens, order) for _ in range(2)]
    another = await plaintext_of(tokens, replace(order, id=new_id(NOON)))

    assert one == again
    assert one != another


async def test_no_byte_of_it_can_be_another(tokens: RunTokens, order: RunOrder) -> None:
    text = await plaintext_of(tokens, order)

    for at, character in enumerate(text):
        for other in (chr(ord(character) ^ 1), chr(ord(character) ^ 32)):
            assert await tokens.read(f"{text[:at]}{other}{text[at + 1 :]}") is None


async def test_nothing_of_it_can_be_left_out_or_added(
    tokens: RunTokens, order: RunOrder
) -> None:
    text = await plaintext_of(tokens, order)

    for at in range(len(text)):
        assert await tokens.read(text[:at]) is None
        assert await tokens.read(text[at + 1 :]) is None
    for more in ("=", "A", ".", " ", "\n", "\0", "é"):
        assert await tokens.read(text + more) is None
        assert await tokens.read(more + text) is None
    assert await tokens.read(text.replace("a-", "a-a-", 1)) is None


async def a_signing() -> Signing:
    key = LocalKey(Key(bytes(32)))
    keys = await new_keys(key, STORE, lambda: NOON, new_id)
    ring = Keyring(
        store_id=STORE,
        wrapped=keys,
        provider=lambda: key,
        now=lambda: NOON,
    )
    return Signing(vault=Vault(ring), label="run-tokens")


@given(st.text() | st.from_regex(r"a-[0-9a-f.]{0,90}", fullmatch=True))
async def test_no_other_text_is_a_token(text: str) -> None:
    signing = await a_signing()

    assert await signing.read(text) is None


@given(st.lists(st.from_regex(r"[0-9a-f]*", fullmatch=True), min_size=1))
async def test_words_come_back_as_they_were_signed_and_for_their_label_alone(
    words: list[str],
) -> None:
    signing = await a_signing()

    text = await signing.sign(words)

    assert await signing.read(text) == words
    assert await replace(signing, label="script-links").read(text) is None


async def test_half_a_character_is_no_token(tokens: RunTokens, order: RunOrder) -> None:
    text = await plaintext_of(tokens, order)

    for given_ in ("\ud800", f"a-\ud800.{text[2:]}", f"{text}\ud800"):
        assert await tokens.read(given_) is None


async def test_it_ends_half_an_hour_after_the_run_s_deadline(
    house: House, tokens: RunTokens, order: RunOrder
) -> None:
    text = await plaintext_of(tokens, order)
    house.clock.time = order.cause.deadline + LASTS - timedelta(seconds=1)
    before = await tokens.read(text)

    house.clock.time = order.cause.deadline + LASTS

    assert before is not None
    assert await tokens.read(text) is None


@pytest.mark.parametrize("state", RunState)
async def test_it_counts_while_the_run_is_not_over(
    house: House, tokens: RunTokens, order: RunOrder, state: RunState
) -> None:
    text = await plaintext_of(tokens, order)

    await house.break_in(f"UPDATE runs SET state = '{state}'")  # noqa: S608 - a word

    assert (await tokens.read(text) is None) is state.is_over


async def test_of_a_run_that_is_not_there_it_counts_for_nothing(
    house: House, tokens: RunTokens, order: RunOrder
) -> None:
    text = await plaintext_of(tokens, order)

    await house.break_in("DELETE FROM runs")

    assert await tokens.read(text) is None


async def test_a_run_of_another_profile_lends_its_id_to_no_token(
    house: House, tokens: RunTokens, order: RunOrder
) -> None:
    await house.break_in(f"UPDATE runs SET profile = '{OTHER_PROFILE}'")  # noqa: S608

    assert await tokens.read(await plaintext_of(tokens, order)) is None


async def test_once_its_analysis_is_deleted_it_is_nobody_s(
    house: House,
    tokens: RunTokens,
    order: RunOrder,
    authenticating: Authenticating,
) -> None:
    text = await plaintext_of(tokens, order)
    before = await authenticating.authenticate(text)

    await house.analyses.documents.delete(PROFILE, order.analysis, ADA)
    await house.catalog.refresh()

    assert before is not None
    assert await authenticating.authenticate(text) is None


async def test_once_its_analysis_was_altered_it_is_nobody_s(
    house: House,
    tokens: RunTokens,
    order: RunOrder,
    authenticating: Authenticating,
) -> None:
    text = await plaintext_of(tokens, order)

    await house.break_in("UPDATE analyses SET version = 7")
    anew = replace(house.catalog)
    await anew.refresh()
    told = replace(authenticating, catalog=anew.current, refresh=anew.refresh)

    assert await told.authenticate(text) is None


async def test_of_an_analysis_that_was_made_a_moment_ago_it_is_taken(
    house: House, tokens: RunTokens, authenticating: Authenticating
) -> None:
    """Another process, whose catalog is newer, may have begun the run."""
    await house.catalog.refresh()
    made = await house.analyses.documents.create(PROFILE, {"name": "new"}, ADA)
    order = await asked(house, id_of(made))

    taken = await authenticating.authenticate(await plaintext_of(tokens, order))

    assert taken is not None
    assert taken.rights.run == order.id


async def test_nothing_of_a_token_is_printed_with_it(
    tokens: RunTokens, order: RunOrder
) -> None:
    token = await tokens.token(order)

    assert token.reveal() not in f"{token!r} {token}"


async def test_while_the_vault_is_sealed_no_token_is_made_or_read(
    house: House, order: RunOrder
) -> None:
    def no_key() -> LocalKey:
        raise Unavailable("the vault is sealed")

    ring = replace(house.audit_log.vault.keyring, provider=no_key)
    sealed = RunTokens(
        vault=Vault(ring),
        runs=records_of(house),
        now=house.clock.now,
    )
    house.clock.time += timedelta(days=1)  # what was unwrapped is kept for minutes

    with pytest.raises(Unavailable, match="sealed"):
        await sealed.token(order)
    with pytest.raises(Unavailable, match="sealed"):
        await sealed.read("a-x.y.z.1.mac")
