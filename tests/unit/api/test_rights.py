"""Rights: which tokens may call a route, as the documentation's table has it."""

import pytest

from keyrelay.api.rights import Right, has
from tests.rights import KINDS, PAGE, page

MAY = {
    Right.KNOWN: {"read", "write", "full", "producer", "operator", "analysis"},
    Right.READ: {"read", "write", "full"},
    Right.WRITE: {"write", "full"},
    Right.FULL: {"full"},
    Right.PUBLISH: {"write", "full", "producer"},
    Right.FOLLOW: {"read", "write", "full", "producer"},
    Right.VERIFY: {"write", "full", "operator"},
    Right.FINDINGS: {"read", "write", "full", "operator"},
    Right.OPERATE: {"operator"},
    Right.SERVICES: {"analysis"},
}


@pytest.mark.parametrize("right", [*Right])
def test_a_right_is_had_by_these_tokens_and_no_others(right: Right) -> None:
    having = {name for name, rights in KINDS.items() if has(rights, right)}

    assert having == MAY[right]


def test_the_documentation_has_the_table_that_the_api_obeys() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.rights`"
