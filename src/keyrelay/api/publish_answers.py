"""Publish answers: what became of each trigger of a request, and of the request."""

import json
from dataclasses import dataclass, field
from typing import assert_never

import msgspec
from starlette.responses import Response

from keyrelay.services.publishing import Accepted, NotAccepted, Published


@dataclass(slots=True)
class PublishAnswers:
    """The results in the order of the triggers, encoded as they come.

    A hundred thousand of them take a few megabytes.
    """

    kept: int = 0
    refused: int = 0
    denied: int = 0  # of those that were refused
    _reason: str | None = None  # of the first that was refused
    _encoded: bytearray = field(default_factory=bytearray)

    def add(self, _: int, answer: Published) -> None:
        match answer:
            case Accepted(id=id_, known=known):
                self.kept += 1
                self._put({"id": id_, "state": "duplicate" if known else "accepted"})
            case NotAccepted(reason, is_denied):
                self.refused += 1
                self.denied += is_denied
                self._reason = self._reason or reason
                self._put({"id": None, "state": "refused", "reason": reason})
            case _:
                assert_never(answer)

    @property
    def is_all_denied(self) -> bool:
        """Whether there was a trigger, and none that might have been accepted."""
        return not self.kept and 0 < self.denied == self.refused

    def response(self) -> Response:
        """Return the answer to a request that was read to its end."""
        number = self.kept + self.refused
        if number == 0:
            return self._response(400, "the body holds no trigger")
        if self.kept == 0:
            one = self._reason or ""
            return self._response(
                400, one if number == 1 else f"none was accepted; the first: {one}"
            )
        if self.refused:
            return self._response(207, f"{self.refused} of {number} were refused")
        return self._response(202, None)

    def cut_short(self, status: int, reason: str) -> Response:
        """Return the answer to a request of which not all was read."""
        message = f"{reason}; {self.kept} of its triggers are kept, as `result` says"
        return self._response(status, message)

    def _put(self, result: dict[str, str | None]) -> None:
        if self._encoded:
            self._encoded += b","
        self._encoded += msgspec.json.encode(result)

    def _response(self, status: int, message: str | None) -> Response:
        said = {} if message is None else {"message": message}
        head = json.dumps({"status": status < 300, **said})
        body = b"".join([head[:-1].encode(), b', "result": [', self._encoded, b"]}"])
        again = {"Retry-After": "1"} if status in (429, 503) else None
        return Response(body, status, again, "application/json")
