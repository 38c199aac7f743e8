"""Origins: by which names the console is reached, and which forms are its own."""

from collections.abc import Mapping

import pytest

from keyrelay.console.origins import Origins
from keyrelay.console.themes import own_path

PUBLIC = "https://relay.example.com"


@pytest.mark.parametrize(
    ("url", "host", "scheme"),
    [
        (PUBLIC, "relay.example.com", "https"),
        (PUBLIC, "Relay.Example.com:443", "https"),
        ("https://relay.example.com:8443", "relay.example.com:8443", "https"),
        ("http://[fd00::7]", "[fd00::7]:80", "http"),
        ("http://127.0.0.1:8473", "localhost:8473", "http"),
        ("http://localhost:8473", "127.0.0.1:9000", "http"),
        ("http://127.0.0.1:8473", "[::1]:8473", "http"),
    ],
)
def test_a_name_of_the_server_will_do(url: str, host: str, scheme: str) -> None:
    assert Origins(url).is_host(host, scheme)


@pytest.mark.parametrize(
    ("url", "host", "scheme"),
    [
        (PUBLIC, "relay.example.com", "http"),
        (PUBLIC, "relay.example.com:8443", "https"),
        (PUBLIC, "relay.example.com.evil.example", "https"),
        (PUBLIC, "localhost", "https"),
        (PUBLIC, "127.0.0.1", "https"),
        (PUBLIC, "", "https"),
        ("http://127.0.0.1:8473", "evil.example", "http"),
        ("http://127.0.0.1:8473", "127.0.0.1.evil.example:8473", "http"),
        ("http://127.0.0.1:8473", "localhost@evil.example", "http"),
        ("http://127.0.0.1:8473", "", "http"),
    ],
)
def test_a_foreign_name_will_not(url: str, host: str, scheme: str) -> None:
    assert not Origins(url).is_host(host, scheme)


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"origin": PUBLIC}, True),
        ({"origin": PUBLIC.upper()}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": "null", "sec-fetch-site": "same-site"}, False),
        ({"origin": "null", "sec-fetch-site": "none"}, False),
        ({"origin": "http://relay.example.com"}, False),
        ({"origin": "https://relay.example.com.evil.example"}, False),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False),
    ],
    ids=str,
)
def test_a_form_is_its_own_by_what_the_browser_says_of_it(
    headers: Mapping[str, str], *, own: bool
) -> None:
    assert Origins(PUBLIC).is_own(headers, "relay.example.com", "https") is own


@pytest.mark.parametrize(
    "path", ["/", "/secrets", "/secrets?key=a/../b", "/secrets/x?tag=a%3Db", "/a/b/"]
)
def test_a_path_of_the_console_is_gone_on_to(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "secrets",
        "//evil.example",
        "/\\evil.example",
        "/%5cevil.example",
        "/../reference",
        "/%2e%2e/reference",
        "/secrets/./x",
        "/\nx",
        "https://evil.example",
    ],
)
def test_any_other_leads_to_the_first_page(path: str) -> None:
    assert own_path(path) == "/"
