"""Sessions: who is signed in to the console, in every process, until it is over."""

from datetime import timedelta
from functools import partial

import pytest

from keyrelay.model.session import IDLE, LONGEST
from keyrelay.model.token import Token
from keyrelay.services.authenticating import Authenticating
from keyrelay.services.sessions import Sessions, SignedIn
from keyrelay.stores.definitions.token_rows import digest_of
from keyrelay.stores.sessions import NOTED_EVERY, SessionStore
from tests.contract.stores.house import ADA, House
from tests.samples import PROFILE

SECOND = timedelta(seconds=1)


def sessions_of(house: House) -> Sessions:
    """Return the sessions as the API process of this house has them."""
    return Sessions(
        vault=house.audit_log.vault,
        store=SessionStore(database=house.database),
        authenticating=Authenticating(
            catalog=house.catalog.current,
            refresh=house.catalog.refresh,
            digest=partial(digest_of, house.audit_log.vault),
            now=house.clock.now,
        ),
        now=house.clock.now,
    )


@pytest.fixture
def sessions(house: House) -> Sessions:
    return sessions_of(house)


async def new_token(house: House, name: str = "me", **more: str) -> tuple[Token, str]:
    made = await house.tokens.create(PROFILE, {"name": name, **more}, ADA)
    await house.catalog.refresh()
    return made.stored.token, made.plaintext.reveal()


async def begin(house: House, name: str = "me") -> str:
    """Return the cookie of a session of a new token."""
    return await sessions_of(house).begin(*await new_token(house, name))


async def resumed(sessions: Sessions, cookie: str) -> SignedIn:
    signed_in = await sessions.resume(cookie)
    assert signed_in is not None
    return signed_in


async def pass_time(house: House, time: timedelta) -> None:
    """Move the clock; a running process has read the definitions meanwhile."""
    house.clock.time += time
    await house.catalog.refresh()


async def test_a_session_counts_in_every_process(
    house: House, neighbour: House
) -> None:
    token, plaintext = await new_token(house)
    cookie = await sessions_of(house).begin(token, plaintext)

    here = await resumed(sessions_of(house), cookie)
    there = await resumed(sessions_of(neighbour), cookie)

    assert here == there
    assert (here.token, here.operator) == (token, None)
    assert plaintext not in cookie


async def test_a_session_without_pages_ends(house: House, sessions: Sessions) -> None:
    cookie, other = await begin(house), await begin(house, "other")

    await pass_time(house, IDLE - SECOND)
    await resumed(sessions, cookie)  # which is a page
    await pass_time(house, SECOND)

    assert await sessions.resume(other) is None
    await pass_time(house, IDLE - 2 * SECOND)
    await resumed(sessions, cookie)


async def test_a_session_ends_however_often_pages_are_asked_for(
    house: House, sessions: Sessions
) -> None:
    cookie, began = await begin(house), house.clock.time

    while house.clock.time < began + LONGEST - IDLE / 2:
        await resumed(sessions, cookie)
        await pass_time(house, IDLE / 2)
    await resumed(sessions, cookie)
    await pass_time(house, began + LONGEST - house.clock.time)

    assert await sessions.resume(cookie) is None


async def test_not_each_page_is_a_write(house: House, sessions: Sessions) -> None:
    cookie, began = await begin(house), house.clock.time
    signed_in = await resumed(sessions, cookie)
    session = signed_in.session.id

    await pass_time(house, NOTED_EVERY - SECOND)
    await resumed(sessions, cookie)
    assert await sessions.store.seen_at(session) == began

    await pass_time(house, SECOND)
    await resumed(sessions, cookie)
    assert await sessions.store.seen_at(session) == house.clock.time


async def test_a_session_ends_with_its_token(house: House, sessions: Sessions) -> None:
    token, plaintext = await new_token(house)
    cookie = await sessions.begin(token, plaintext)

    await house.tokens.revoke(PROFILE, token.id, ADA)
    await house.catalog.refresh()

    assert await sessions.resume(cookie) is None


async def test_a_session_ends_when_its_token_expires(
    house: House, sessions: Sessions
) -> None:
    expires = house.clock.time + timedelta(minutes=5)
    token, plaintext = await new_token(house, expire_time=expires.isoformat())
    cookie = await sessions.begin(token, plaintext)

    await pass_time(house, timedelta(minutes=5))

    assert await sessions.resume(cookie) is None


async def test_signing_out_ends_this_session_alone_and_in_every_process(
    house: House, neighbour: House
) -> None:
    here, there = sessions_of(house), sessions_of(neighbour)
    token, plaintext = await new_token(house)
    cookies = [await here.begin(token, plaintext) for _ in range(2)]

    await here.end((await resumed(here, cookies[0])).session)

    assert await there.resume(cookies[0]) is None
    assert await there.resume(cookies[1]) is not None


async def test_signing_out_everywhere_ends_each_session_of_the_token(
    house: House, neighbour: House
) -> None:
    here, there = sessions_of(house), sessions_of(neighbour)
    token, plaintext = await new_token(house)
    cookies = [await each.begin(token, plaintext) for each in (here, there)]
    other = await begin(house, "other")

    await here.end_all(token)

    assert [await there.resume(cookie) for cookie in cookies] == [None, None]
    assert await there.resume(other) is not None


async def test_an_altered_cookie_is_no_session(
    house: House, sessions: Sessions
) -> None:
    cookie, other = await begin(house), await begin(house, "other")
    words, others = cookie.split("."), other.split(".")
    flipped = [
        cookie[:at] + ("a" if cookie[at] != "a" else "b") + cookie[at + 1 :]
        for at in range(len(cookie))
    ]
    exchanged = [
        ".".join([*words[:at], others[at], *words[at + 1 :]])
        for at in range(len(words))
        if words[at] != others[at]
    ]

    for altered in ("", ".", "....", cookie[:-1], f"{cookie}A", "é", "\ud800"):
        assert await sessions.resume(altered) is None
    for altered in (*flipped, *exchanged):
        assert await sessions.resume(altered) is None


async def test_a_row_that_was_put_in_by_hand_makes_no_session(
    house: House, sessions: Sessions
) -> None:
    token, plaintext = await new_token(house)
    cookie, other = await sessions.begin(token, plaintext), await begin(house, "other")
    session = (await resumed(sessions, cookie)).session
    await sessions.end(session)

    forged = "f" * 24
    await house.break_in(
        "INSERT INTO sessions (id, token, began_at, seen_at)"
        " SELECT 'ffffffffffffffffffffffff', token, began_at, seen_at FROM sessions"
    )
    mac = cookie.rpartition(".")[2]
    words = [forged, *cookie.split(".")[1:-1], mac]

    assert await sessions.resume(".".join(words)) is None
    assert (await resumed(sessions, other)).token.name == "other"


async def test_a_session_whose_row_names_another_token_stays_its_own(
    house: House, sessions: Sessions
) -> None:
    cookie = await begin(house)

    await house.break_in("UPDATE sessions SET token = id")

    assert (await resumed(sessions, cookie)).token.name == "me"


async def test_forms_carry_what_only_their_own_session_can(
    house: House, sessions: Sessions
) -> None:
    one = (await resumed(sessions, await begin(house, "one"))).session
    other = (await resumed(sessions, await begin(house, "other"))).session
    mine, others = await sessions.form_token(one), await sessions.form_token(other)

    assert await sessions.is_form_token(one, mine)
    for wrong in ("", others, mine[:-2], one.id, f"{one.id}.{others.split('.')[-1]}"):
        assert not await sessions.is_form_token(one, wrong)


async def test_what_is_signed_for_forms_is_no_cookie(
    house: House, sessions: Sessions
) -> None:
    session = (await resumed(sessions, await begin(house))).session

    assert await sessions.resume(await sessions.form_token(session)) is None


async def test_an_operator_token_is_added_to_one_session_and_counts_for_itself(
    house: House, sessions: Sessions
) -> None:
    cookie = await begin(house)
    made = await house.tokens.create(PROFILE, {"name": "root", "kind": "operator"}, ADA)
    await house.catalog.refresh()
    session = (await resumed(sessions, cookie)).session

    added = await sessions.with_operator(session, made.plaintext.reveal())
    operator = (await resumed(sessions, added)).operator
    await house.tokens.revoke(PROFILE, made.stored.token.id, ADA)
    await house.catalog.refresh()

    assert operator is not None
    assert operator.name == "root"
    assert (await resumed(sessions, cookie)).operator is None
    assert (await resumed(sessions, added)).operator is None


async def test_sessions_that_are_too_old_are_forgotten(
    house: House, sessions: Sessions
) -> None:
    await begin(house)
    await pass_time(house, LONGEST + SECOND)

    await begin(house, "other")

    assert await house.look("SELECT count(*) FROM sessions") == [(1,)]
