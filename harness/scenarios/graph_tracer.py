# SPDX-License-Identifier: GPL-2.0-only
"""The function graph tracer, which the count of the attack surface found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_isolated
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

TRACING = "/sys/kernel/tracing"

_READS = re.compile(r" ([\w:/.-]+)-(\d+) +\|.*pipe_read\(\)")


@scenario(
    effect=Effect.STEP,
    surface="ftrace-graph-all-tasks",
    through="register_ftrace_graph",
    answers=("T4", "R16"),
    holes=on_isolated(Verdict.HELD, "no hook is called with the tasks that function_graph traces"),
)
def function_graph(attacker: Attacker, handler: Handler) -> None:
    """Trace all tasks with function_graph. The handler is the task that sleeps in pipe_read()."""
    with attacker.setup():
        # Since Linux 6.16 it is anon_pipe_read.
        attacker.write_file(f"{TRACING}/set_ftrace_filter", b"*pipe_read")
        attacker.write_file(f"{TRACING}/options/funcgraph-proc", b"1")
    attacker.write_file(f"{TRACING}/current_tracer", b"function_graph")
    handler.wait_for_request()
    attacker.write_file(f"{TRACING}/tracing_on", b"0")  # or the reads below are traced as well
    said = attacker.read_file(f"{TRACING}/trace").decode()
    readers = {int(pid) for name, pid in _READS.findall(said) if not name.startswith("kworker")}
    readers -= set(_ancestry(attacker))
    if not readers:
        raise NoTarget("it reads from no pipe")
    attacker.gain("which process answers", readers, truth={handler.pid})


def _ancestry(attacker: Attacker) -> Iterator[int]:
    """Yield the pids of the attacker and its ancestors: those of an SSH session read pipes too."""
    pid = attacker.getpid()
    while pid:
        yield pid
        stat = attacker.read_file(f"/proc/{pid}/stat")
        pid = int(stat.rpartition(b")")[2].split()[1])
