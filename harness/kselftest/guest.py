# SPDX-License-Identifier: GPL-2.0-only
"""One selftest on one variant, in a machine of its own, from a saved state with swap."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from os import WNOHANG
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.attacker.agent.files import CHUNK
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.swap import SwapDevice
from harness.host.errors import VmLost
from harness.kselftest.ktap import KtapOutcome, TestResult, parse_ktap
from harness.vm.console import escape
from harness.vm.machine import Machine
from harness.vm.states import saved_state
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.kselftest.programs import Selftest, Selftests
    from harness.lab.lab import Lab
    from harness.lab.plan import MachinePlan
    from harness.vm.spec import MachineSpec

MACHINE = "(machine)"
"""The name of the machine's own result: it passes if the machine runs and is not tainted."""

CPUS = 2
"""Several selftests need two CPUs."""
MEMORY_MIB = 768
PID_MAX = 4096
"""Low, because a test that waits for a pid to be reused would otherwise fork 32768 times."""
SWAP_PAGES = (64 << 20) // PAGE
PROGRAM_SECONDS = 240.0
"""The deadline of one program. The slowest takes 80 seconds without KVM on an idle host."""

_OVERHEAD_SECONDS = 120.0
_POLL_SECONDS = 0.1
_OUTPUT_MAX = 1 << 20
_FOLDER = "/kselftest"
_OUTPUT = "/tmp/output"  # noqa: S108 - the guest's, not ours
_RUN = f"cd {_FOLDER}/$0 && exec ./$1 >>{_OUTPUT} 2>&1"


@dataclass(frozen=True)
class Ran:
    """One run of a program: a result per test, its output (escaped) and its seconds."""

    results: Mapping[str, TestResult]
    output: str
    seconds: float


def run(lab: Lab, variant: str, program: Selftest, tests: Selftests) -> Ran:
    """Run a program to its end or its deadline. What ends the machine is a result as well."""
    plan = lab.machine_plan(variant, cpus=CPUS)
    start = time.monotonic()
    output, status = "", None
    try:
        with _machine(lab, plan) as machine, _channel(machine) as channel:
            attacker = Attacker(channel, plan.images.guest)
            witness = Witness(machine, plan.images.kernel)
            taint = witness.taint()
            _place(attacker, program, tests)
            status = _wait(attacker, _start(attacker, program))
            output = _read_output(attacker)
            new = witness.taint() & ~taint
            outcome = KtapOutcome.FAIL if new else KtapOutcome.PASS
            well = TestResult(outcome, f"tainted the kernel: {new:#x}" if new else "")
    except VmLost as lost:
        well = TestResult(KtapOutcome.FAIL, str(lost))
    seconds = time.monotonic() - start
    return Ran({**parse_ktap(output, status), MACHINE: well}, escape(output.encode()), seconds)


def security_modules(lab: Lab, variant: str) -> str:
    """Return the active security modules in their order, as the guest's kernel reports them."""
    plan = lab.machine_plan(variant, cpus=CPUS)
    with _machine(lab, plan) as machine, _channel(machine) as channel:
        attacker = Attacker(channel, plan.images.guest)
        return escape(attacker.read_file("/sys/kernel/security/lsm")).strip()


def _spec(lab: Lab, plan: MachinePlan) -> MachineSpec:
    """Return the machine for selftests, some of which need more memory."""
    plain = lab.machines.spec(plan)
    return replace(plain, name=f"{plain.name}-kselftest", memory_mib=MEMORY_MIB)


@contextmanager
def _machine(lab: Lab, plan: MachinePlan) -> Iterator[Machine]:
    wanted = _spec(lab, plan)
    state = saved_state(
        wanted,
        lab.accelerator,
        ready=partial(_make_ready, lab, plan),
        goes_on=partial(lab.machines.goes_on, plan),
    )
    with Machine.restore(wanted, lab.accelerator, state) as machine:
        yield machine


def _channel(machine: Machine) -> Channel:
    return Channel(machine.agent_socket(), attempt_seconds=PROGRAM_SECONDS + _OVERHEAD_SECONDS)


def _make_ready(lab: Lab, plan: MachinePlan, machine: Machine) -> None:
    """Have what the programs take for granted: a handler that works, the usual tools, swap."""
    lab.machines.park(plan, machine)
    with _channel(machine) as channel:
        attacker = Attacker(channel, plan.images.guest)
        attacker.run("/bin/busybox", "--install", "-s", "/bin")
        attacker.write_file("/proc/sys/kernel/pid_max", b"%d" % PID_MAX)
        SwapDevice(attacker, pages=SWAP_PAGES)


def _place(attacker: Attacker, program: Selftest, tests: Selftests) -> None:
    folder = _FOLDER
    attacker.mkdir(folder)
    for name in program.collection.split("/"):
        folder = f"{folder}/{name}"
        attacker.mkdir(folder)
    for path in tests.files(program):
        if path.is_symlink():
            attacker.syscall("symlink", str(path.readlink()), f"{folder}/{path.name}")
        elif path.is_dir():
            attacker.mkdir(f"{folder}/{path.name}")
        else:
            mode = path.stat().st_mode & 0o777
            attacker.write_file(f"{folder}/{path.name}", path.read_bytes(), mode=mode)


def _start(attacker: Attacker, program: Selftest) -> int:
    """Start it in a session of its own, its output in a file: a pipe could fill."""
    attacker.write_file(_OUTPUT, b"", mode=0o600)
    name = program.name.rpartition("/")[2]
    return attacker.spawn("/bin/setsid", "sh", "-c", _RUN, program.collection, name)


def _wait(attacker: Attacker, pid: int) -> int | None:
    """Return the wait status, or None if the program does not end before the deadline."""
    deadline = time.monotonic() + PROGRAM_SECONDS
    while time.monotonic() < deadline:
        ended, status = attacker.waitpid(pid, WNOHANG)
        if ended:
            return status
        time.sleep(_POLL_SECONDS)
    return None


def _read_output(attacker: Attacker) -> str:
    """Return the program's output, up to a megabyte."""
    data = b""
    with attacker.open(_OUTPUT, os.O_RDONLY) as file:
        while len(data) < _OUTPUT_MAX and (chunk := file.read(CHUNK)):
            data += chunk
    return data.decode(errors="replace")
