# SPDX-License-Identifier: GPL-2.0-only
"""A judge of programs that needs no machine: some calls lose, on some variants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

from harness.campaign.judged import Judged
from harness.campaign.program import Call, Number, Pid
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.campaign.investigate import How
    from harness.campaign.program import Program

HELD = Judged(Verdict.HELD, "")
LOST = Judged(Verdict.DISRUPTED, "restarted 1 x", lost=frozenset({"availability"}))


def kills(programs: Sequence[Program]) -> bool:
    """Whether a program sends the handler a signal."""
    return any(
        call.name == "kill" and call.args[0] == Pid("handler") and call.args[1] != Number(0)
        for program in programs
        for call in program.calls
    )


KILL = Call("kill", (Pid("handler"), Number(9)))


@dataclass
class ScriptedJudge:
    """Judges by a function; the others of its `variants` hold."""

    loses: Callable[[Sequence[Program]], bool] = kills
    variants: tuple[str, ...] = ("isolated",)
    then: Callable[[Judged, str, bool], Judged] = lambda judged, _variant, _fresh: judged
    """Changes a judgement: of which variant, and whether after a boot."""
    batches: list[tuple[str, list[Program], bool]] = field(default_factory=list)
    """What was made: variant, programs, whether after a boot."""

    def judged(self, variant: str, programs: Sequence[Program], **how: Unpack[How]) -> Judged:
        """Judge the programs. It reports no addresses."""
        fresh = how.get("fresh", False)
        self.batches.append((variant, list(programs), fresh))
        judged = LOST if variant in self.variants and self.loses(programs) else HELD
        return self.then(judged, variant, fresh)
