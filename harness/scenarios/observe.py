# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that no hook sees: root gets information about the handler, or moves its pages.

Each gain is only a step: it tells an attacker which process to attack, and when.
"""

from __future__ import annotations

import re
from errno import ENOENT, ESRCH
from functools import partial
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.netlink import ProcConnector, TaskStats
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

STARTS, ROUNDS = 24, 3
"""Several, because compaction skips a page that is in use."""

_LOG = 1 << 18
_READ_ALL = 3  # SYSLOG_ACTION_READ_ALL

_look = partial(
    scenario,
    effect=Effect.STEP,
    answers=("T4", "R16"),
    target="system",
    holes=on_both(Verdict.HELD, "the kernel tells root about all tasks alike, and calls no hook"),
)


def read_proc(attacker: Attacker, pid: int, file: str) -> bytes:
    """Read a file of a process in /proc. It is empty if the process has ended meanwhile."""
    try:
        return attacker.read_file(f"/proc/{pid}/{file}")
    except GuestError as error:
        if error.errno not in (ENOENT, ESRCH):
            raise
        return b""


@_look(surface="proc-info-no-check", reach="proc_pid_status")
def proc_info(attacker: Attacker, handler: Handler) -> None:
    """Find the handler's pid by its name in /proc/<pid>/status."""
    name = f"Name:\t{handler.name}\n".encode()
    for pid in map(int, filter(str.isdecimal, attacker.listdir("/proc"))):
        if read_proc(attacker, pid, "status").startswith(name):
            attacker.gain("its pid", pid, truth=handler.pid)


@_look(surface="sysrq-t-w-l-dmesg", reach="show_state_filter")
def sysrq_show_tasks(attacker: Attacker, handler: Handler) -> None:
    """Have all tasks logged by sysrq-t and find the handler's pid in the kernel log."""
    log = bytearray(_LOG)
    attacker.write_file("/proc/sysrq-trigger", b"t")
    size = attacker.syscall("syslog", _READ_ALL, log, _LOG)
    task = re.compile(rb"task:%b +state:.[a-z ]+stack:\d+ +pid:(\d+)" % handler.name.encode())
    for pid in task.findall(bytes(log[:size])):
        attacker.gain("its pid", int(pid), truth=handler.pid)


@_look(surface="taskstats-proc-connector", reach="cn_proc_mcast_ctl")
def proc_connector(attacker: Attacker, handler: Handler) -> None:
    """Listen to the proc connector, which reports the pid of the next handler at its fork."""
    events = ProcConnector(attacker)
    handler.restart()
    name = f"{handler.name}\n".encode()
    pid = next(pid for pid in events.forked() if read_proc(attacker, pid, "comm") == name)
    attacker.gain("the pid of a new one", pid, truth=handler.pid)


@_look(surface="taskstats-proc-connector", reach="taskstats_user_cmd")
def taskstats(attacker: Attacker, handler: Handler) -> None:
    """Listen to taskstats, which reports the handler's accounting data when it exits."""
    accounts = TaskStats(attacker)
    pid = handler.pid
    handler.restart()
    ended = next(pid for name, pid in accounts.ended() if name == handler.name.encode())
    attacker.gain("its account", ended, truth=pid)


@scenario(
    effect=Effect.STEP,
    surface="memory-hotplug-numa-balancing-compaction",
    answers=("T4", "R16"),
    reach="sysctl_compaction_handler",
    no_target_at="sysctl_compaction_handler",
    target="system",
)
def compact_memory(attacker: Attacker, handler: Handler) -> None:
    """Compact memory by vm.compact_memory. The kernel moves the handler's pages."""
    for _ in range(STARTS):
        before = handler.physical("chain")
        for _ in range(ROUNDS):
            attacker.write_file("/proc/sys/vm/compact_memory", b"1")
        if handler.physical("chain") != before:
            break
        start_elsewhere(attacker, handler)
    else:
        raise NoTarget("its pages stay where they are")
    attacker.gain("a page of it moved", True, truth=handler.physical("chain") != before)


def start_elsewhere(attacker: Attacker, handler: Handler) -> None:
    """Restart the handler while another process holds most pages, so that it gets other pages.

    Compaction moves pages towards the end of memory. Pages that lie there already do not move.
    """
    with attacker.setup():
        taker = attacker.spawn(attacker.payload("take_pages"))
        handler.restart()
        attacker.kill(taker, SIGKILL)
        attacker.waitpid(taker)
