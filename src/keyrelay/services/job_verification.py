"""Job verification: the audit trail followed from end to end, and what is told of it.

The whole installation's operator is told all findings. A profile is told yes or no, and
the first bad record of its own: what is another profile's, it neither sees nor counts.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from keyrelay.model.job import JobRow, JobState, RowState
from keyrelay.ports import Unavailable
from keyrelay.services.job_holding import HeldJob
from keyrelay.stores.audit.chain import Breach
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.audit.verification import Tally

MOST_FINDINGS = 1000  # that are kept; all are counted

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was found for a profile; of None, for the whole installation."""

    profile: str | None
    tally: Tally = field(default_factory=Tally)
    count: int = 0
    kept: list[Breach] = field(default_factory=list)

    def add(self, breach: Breach) -> None:
        self.count += 1
        ours = self.profile is None or breach.profile == self.profile
        most = MOST_FINDINGS if self.profile is None else 1
        if ours and len(self.kept) < most:
            self.kept.append(breach)

    @property
    def ending(self) -> Mapping[str, object]:
        """Return the columns of the job that say what was found."""
        ending = {"state": JobState.DONE, "sound": not self.count}
        if self.profile is not None:
            ours = "; the first record of this profile's is named" if self.kept else ""
            message = f"the audit trail is not as it was written{ours}"
            refused = len(self.kept)
            records = {}
        else:
            message = f"the audit trail is not as it was written: {self.count} findings"
            refused = self.count
            records = {"total": self.tally.records, "done": self.tally.records}
        if not self.count:
            message = self._sound_message
        return {**ending, **records, "refused": refused, "message": message}

    @property
    def _sound_message(self) -> str:
        if self.profile is not None:
            return "nothing is missing or altered"
        counts = f"{self.tally.records} records in {self.tally.chains} chains"
        return f"{counts}: nothing is missing or altered"

    def rows(self) -> Sequence[JobRow]:
        return [
            JobRow(
                number=number,
                subject=breach.id or "",
                state=RowState.BROKEN,
                reason=self._said(breach),
            )
            for number, breach in enumerate(self.kept, start=1)
        ]

    def _said(self, breach: Breach) -> str:
        """Say what is wrong; where and whose is the operator's alone to know."""
        if self.profile is not None:
            return breach.what
        places = {
            "chain": breach.chain,
            "record": breach.seq,
            "profile": breach.profile,
        }
        where = ", ".join(f"{name} {place}" for name, place in places.items() if place)
        return f"{where}: {breach.what}" if where else breach.what


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVerification:
    trail: AuditTrail

    async def verify(self, held: HeldJob) -> Mapping[str, object] | None:
        """Follow the whole trail; None, the job was over before the end of it.

        What was killed half way begins anew. Raises Unavailable and JobLost.
        """
        findings = Findings(profile=held.job.order.profile)
        if not await held.unless_over(self._find(findings)):
            return None
        if findings.count:
            extra = {"job": held.job.id, "findings": findings.count}
            log.error("the audit trail is not as it was written", extra=extra)
        await held.results.replace(held.lease, findings.rows())
        return findings.ending

    async def _find(self, findings: Findings) -> None:
        files = await self._checkpoints()
        try:
            async with aclosing(self.trail.breaches(findings.tally, files)) as found:
                async for breach in found:
                    findings.add(breach)
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            raise Unavailable(f"the checkpoint cannot be read: {reason}") from None

    async def _checkpoints(self) -> Sequence[CheckpointFile] | None:
        """Return the files to compare with; None, this process's own, which must be.

        Beside a shared database that of a machine is missing until it writes a record:
        then the chains are followed alone.
        """
        trail = self.trail
        is_there = await asyncio.to_thread(trail.checkpoint.path.exists)
        return None if is_there or not trail.database.is_shared else ()
