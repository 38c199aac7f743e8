"""Limits that would stop all mail are refused."""

from collections.abc import Callable

import pytest

from keyrelay.dispatchers.smtp.limits import ReuseLimits, SlotLimits


@pytest.mark.parametrize(
    "limits", [lambda: SlotLimits(count=0), lambda: ReuseLimits(mails=0)]
)
def test_limits_need_at_least_one(
    limits: Callable[[], SlotLimits | ReuseLimits],
) -> None:
    with pytest.raises(ValueError, match="at least one"):
        limits()
