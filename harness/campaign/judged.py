# SPDX-License-Identifier: GPL-2.0-only
"""A batch of programs made on a machine, and what the witness says that it took."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from signal import SIGKILL
from typing import TYPE_CHECKING

import msgspec

from harness.attacker import Attacker, Channel
from harness.attacker.agent.errors import GuestError, SetupFailed
from harness.attacker.agent.program import run_program
from harness.campaign.inside import NOT_ON_THREADS, inside_call
from harness.campaign.program import is_inside
from harness.campaign.wire import Results, batch_bytes, results
from harness.guests.payloads import compile_attack
from harness.host.errors import Silent, VmLost
from harness.lab.account import Account
from harness.lab.lab import CALM_TRIES
from harness.lab.trial import TALLY, aftermath
from harness.model.attempt_end import AttemptEnd, End
from harness.model.handlers import BACKDOOR
from harness.model.verdict import Verdict
from harness.vm.console import escape
from harness.witness.cell_verdict import NO_COMPLAINT, NO_HARM, complaint, draw_verdict, no_phase
from harness.witness.evidence import death
from harness.witness.handler import Handler
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from harness.campaign.program import Program
    from harness.kernel.build.images import KernelImage
    from harness.lab.lab import Lab
    from harness.lab.plan import MachinePlan
    from harness.model.verdict import Axes
    from harness.vm.machine import Machine
    from harness.witness.cell_verdict import CellVerdict
    from harness.witness.evidence import Evidence
    from harness.witness.tally import Tally

EXECUTOR = Path(__file__).with_name("executor.c")
KERNEL = "kernel"
"""What is lost if the kernel reports a fault of its own, such as a warning or an oops."""
RELOAD = 3
"""The phase of the aftermath in which the loader is reloaded."""
SECONDS = 25.0
"""How long a batch may take on the host's clock."""

_READ_ALL, _LOG_BYTES = 3, 1 << 16
"""syslog(2) gives the end of the log."""
_PLACE, _BATCH = "/tmp/executor", "/tmp/batch"  # noqa: S108 - paths in the guest


class Judged(msgspec.Struct, frozen=True):
    """What a batch did."""

    verdict: Verdict
    detail: str
    lost: frozenset[str] = frozenset()
    """The axes that were lost, or `KERNEL`; empty if there is no conclusion."""
    early: frozenset[str] | None = None
    """The axes that were lost before the aftermath reloads the loader; None if that is not known.
    It is known even if there is no reload, which a program can prevent by harm to modprobe."""
    wrongs: tuple[str, ...] = ()
    """What was wrong with the handler."""
    hooks: frozenset[str] = frozenset()
    """The hooks of security modules that saw the handler during the batch."""
    results: tuple[tuple[int, ...], ...] = ()
    """The results of each program's calls, as the guest claims."""
    pcs: tuple[frozenset[int], ...] = ()
    """The addresses of kernel code (lower 32 bits) that each program was the first to cover, as the
    guest claims; empty sets without KCOV."""

    stood_still: bool = False
    """There is no conclusion because the host was too busy."""

    log: str = ""
    """The log of a kernel that reported a fault of its own, as the guest claims."""

    @property
    def what(self) -> str:
        """What was lost, as text: the same for losses of one kind."""
        return ", ".join(self.wrongs) or str(self.verdict)


@dataclass(frozen=True)
class BatchJudge:
    """Makes batches, each on a machine of its own. Safe to use from several threads."""

    lab: Lab
    executor: bytes
    """The compiled executor."""

    @classmethod
    def of(cls, lab: Lab) -> BatchJudge:
        """Compile the executor. Raises UserError."""
        with tempfile.TemporaryDirectory(prefix="umd-campaign-") as scratch:
            target = Path(scratch) / "executor"
            compile_attack(EXECUTOR, target)
            return cls(lab, target.read_bytes())

    def judged(
        self,
        variant: str,
        programs: Sequence[Program],
        *,
        fresh: bool = False,
        known_pcs: Collection[int] = (),
    ) -> Judged:
        """Make the programs from the saved state or, if `fresh`, after a boot; then the aftermath.

        A machine that is lost gives an `error` with its reason. After a machine that stood still
        the programs are made again. The `known_pcs` are not reported.
        """
        inside = is_inside(programs)
        if inside and self.lab.corpus.variants[variant].is_thread:
            return Judged(Verdict.NOT_APPLICABLE, NOT_ON_THREADS)
        batch = b"" if inside else batch_bytes(programs, known_pcs=known_pcs)
        for _ in range(CALM_TRIES):
            judged = self._once(variant, programs, batch, fresh=fresh)
            if not judged.stood_still:
                break
        return judged

    def _once(
        self, variant: str, programs: Sequence[Program], batch: bytes, *, fresh: bool
    ) -> Judged:
        plan = replace(self.lab.machine_plan(variant), inside=is_inside(programs))
        try:
            with self.lab.machines.running(plan, fresh=fresh) as machine:
                return self._judged(plan, machine, programs, batch)
        except VmLost as lost:
            return Judged(Verdict.ERROR, str(lost))
        except SetupFailed as failed:
            return Judged(Verdict.ERROR, str(failed))

    def _judged(
        self, plan: MachinePlan, machine: Machine, programs: Sequence[Program], batch: bytes
    ) -> Judged:
        kernel = plan.images.kernel
        witness = Witness(machine, kernel)
        handler = Handler(plan.variant, machine, kernel, witness)
        if plan.has_backdoor:
            handler.program = BACKDOOR
        witness.first_request()
        with Channel(machine.agent_socket(), attempt_seconds=2 * SECONDS) as channel:
            attacker = Attacker(channel, plan.images.guest)
            handler.note_start(attacker)
            account = Account(machine, kernel, plan.variant, witness, handler, inside=plan.inside)
            with attacker.setup():
                attacker.write_file(_PLACE, self.executor, mode=0o755)
                attacker.write_file(_BATCH, batch, mode=0o600)
            before = witness.read()
            made = (_made_inside if plan.inside else _made)(attacker, handler, programs)
            attacked = account.attacked(before, attacker)
            after, ended = aftermath(witness)
            log = _log(attacker) if witness.taint() & ~NO_COMPLAINT else ""
        evidence = account.concluded(attacked, after, ended=ended)
        hooks = _hooks(kernel, before, attacked.attacked)
        judged = conclusion(evidence)
        return msgspec.structs.replace(
            judged,
            hooks=hooks,
            results=tuple(map(tuple, made.calls)),
            pcs=tuple(map(frozenset, made.pcs)),
            log=log if KERNEL in judged.lost else "",
        )


def _hooks(kernel: KernelImage, before: Tally, attacked: Tally) -> frozenset[str]:
    tally = kernel.symbol(TALLY)
    were = {hook.function: hook.on_handler for hook in before.hooks}
    return frozenset(
        kernel.symbol_at(tally + hook.function)
        for hook in attacked.hooks
        if hook.on_handler > were.get(hook.function, 0)
    )


def _log(attacker: Attacker) -> str:
    """Return the end of the kernel's log; empty if the agent cannot read it."""
    room = bytearray(_LOG_BYTES)
    with suppress(GuestError, VmLost):
        length = attacker.syscall("syslog", _READ_ALL, room, len(room))
        return escape(bytes(room[:length]))
    return ""


def conclusion(evidence: Evidence) -> Judged:
    """Return what the evidence shows."""
    drawn = draw_verdict(evidence, AttemptEnd(End.COMPLETED))
    if complained := complaint(evidence):
        lost = frozenset({KERNEL}) | _lost(drawn.axes)
        return Judged(drawn.verdict, drawn.detail, lost, wrongs=(complained,))
    verdict, stood_still = drawn.verdict, drawn.retry
    if drawn.detail == NO_HARM:  # some of the calls that a filter allows do none
        verdict = Verdict.HELD
    if stood_still and not evidence.inside and _was_sent_a_signal(evidence):
        verdict, stood_still = drawn.axes.verdict, False
    is_error = verdict is Verdict.ERROR
    return Judged(
        verdict,
        drawn.detail,
        lost=frozenset() if is_error else _lost(drawn.axes),
        early=_early(evidence, drawn),
        wrongs=tuple(sorted(drawn.wrongs)),
        stood_still=stood_still,
    )


def _early(evidence: Evidence, drawn: CellVerdict) -> frozenset[str] | None:
    if evidence.inside:
        return None
    if drawn.verdict is Verdict.ERROR and drawn.detail != no_phase(RELOAD):
        return None
    first, restart, _ = evidence.after.phases
    failed = evidence.attacked.count.failed - evidence.before.count.failed
    failed += first.failed + restart.failed
    served = first.right and restart.right and restart.starts
    is_disrupted = bool(failed or not served or death(evidence))
    return _lost(replace(drawn.axes, availability=is_disrupted))


def _was_sent_a_signal(evidence: Evidence) -> bool:
    """Whether the handler died of a signal that a busy host does not explain.

    The kernel ends a handler that is late by SIGKILL, and by no other.
    """
    died = death(evidence)
    return died is not None and died.signal not in (0, SIGKILL)


def _lost(axes: Axes) -> frozenset[str]:
    return frozenset(name for name, lost in asdict(axes).items() if lost)


def _made(attacker: Attacker, handler: Handler, programs: Sequence[Program]) -> Results:
    """Run the executor; return what it printed, and show the host what the calls read.

    A batch that ends the agent ends itself. The witness tells what came of it. Raises VmLost if
    the machine itself is lost.
    """
    env = {
        "UMD_HANDLER_PID": str(handler.pid),
        "UMD_HANDLER_ADDRESS": str(handler.state_address()),
    }
    try:
        ended = run_program(attacker, _PLACE, env=env, seconds=SECONDS)
    except Silent as silent:
        if not silent.alive:
            raise
        return Results([], [], b"")
    except VmLost as lost:
        if lost.by_guest:
            raise
        return Results([], [], b"")
    found = results(ended.output, programs)
    attacker.show_all(found.written)
    return found


def _made_inside(_: Attacker, handler: Handler, programs: Sequence[Program]) -> Results:
    """Have the handler make the calls itself. Raises VmLost if the machine is lost.

    A call that keeps the witness too long ends the batch.
    """
    handler.take_over()
    try:
        for call in (call for program in programs for call in program.calls):
            number, arguments, is_compat = inside_call(call)
            handler.make_call(number, *arguments, is_compat=is_compat)
    except Silent as silent:
        if not silent.alive:
            raise
    return Results([], [], b"")
