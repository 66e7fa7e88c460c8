# SPDX-License-Identifier: GPL-2.0-only
"""Route at run time: the files of a guest whose writing changes an invariant of the handler.

It needs no knowledge of the source. Each file is written its own content, and then a benign change
of it. The handler must answer before and after a restart, and the witness watches it. Many files
are written on one machine. If something changes, the batch is bisected.
"""

from __future__ import annotations

import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import O_NOCTTY, O_NONBLOCK, O_RDONLY, O_WRONLY
from threading import Lock
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel, ShortTransfer
from harness.host.errors import VmLost
from harness.host.pace import Pace
from harness.surface.nodes import CELL, VARIANT
from harness.surface.review import REVIEWED
from harness.witness.handler import Handler
from harness.witness.latency import slowed
from harness.witness.reader import Witness
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.lab.lab import Lab
    from harness.lab.machines import Machines
    from harness.lab.plan import MachinePlan
    from harness.witness.tally import Tally

    Attempt = Callable[[Sequence[str]], tuple[int, str]]
    """Writes to files on one machine: how many took it, and what moved."""

LEFT_OUT = REVIEWED / "probe.toml"

BATCH = 48
"""Files written on one machine: about a second's worth."""

_VALUE = 4096
_SECONDS = 15.0
_GROUP = "/sys/fs/cgroup/<group>/"
_NUMBER = re.compile(rb"-?\d+")
_AS_A_DEVICE = O_NONBLOCK | O_NOCTTY
"""A device without input must not stop the probe, and a terminal not become the agent's."""
_MOVING = ("cgroup.procs", "cgroup.threads")
_BENIGN = {
    # Files that cannot be read, or for which a change by one is not benign.
    "cgroup.freeze": b"1",
    "cgroup.kill": b"1",
    "memory.reclaim": b"1M",
    "clear_refs": b"1",
    "enable": b"1",
}


@dataclass(frozen=True)
class Moved:
    """A file whose writing changed something, and what changed."""

    node: str
    what: str


@dataclass(frozen=True)
class Probed:
    """The result of a probe: how many files took a write, and which of them changed something."""

    written: int
    refused: int
    moved: tuple[Moved, ...]


def writable(nodes: Mapping[str, str], *, path: Path = LEFT_OUT) -> dict[str, str]:
    """Return the files to probe: those that root may write, without those that are left out.

    Of the files of one name, it is the first: each name has its path.
    """
    left_out = tomllib.loads(path.read_text())["left-out"]
    links_and_folders = "777", "555", "511", "500"
    found = {}
    for name, where in nodes.items():
        mode, _, first = where.partition(" ")
        if int(mode, 8) & 0o222 and mode not in links_and_folders and name not in left_out:
            found[name] = first or name
    return found


def probe(
    lab: Lab,
    nodes: Mapping[str, str],
    *,
    jobs: int,
    progress: Callable[[str], None],
    variant: str = VARIANT,
) -> Probed:
    """Write to each of the files, on machines of a variant. Raises VmLost if none serves.

    `nodes` has the path of each name.
    """
    batches = _batches(list(nodes))
    done = 0
    pace, counting = Pace(len(nodes)), Lock()

    def attempt(batch: Sequence[str]) -> tuple[int, str]:
        return _try(lab.machines, lab.machine_plan(variant), [nodes[name] for name in batch])

    def one(batch: Sequence[str]) -> tuple[int, list[Moved]]:
        nonlocal done
        found = _bisect(attempt, batch)
        with counting:
            done += len(batch)
            progress(f"surface: probing files {pace.at(done)}")
        return found

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        results = list(pool.map(one, batches))
    written = sum(count for count, _ in results)
    moved = tuple(moved for _, found in results for moved in found)
    return Probed(written, len(nodes) - written, moved)


def _batches(nodes: Sequence[str]) -> list[Sequence[str]]:
    """Return the first batches. A file that moves the handler to a cgroup is a batch by itself."""
    moving = [node for node in nodes if _moves(node)]
    rest = [node for node in nodes if not _moves(node)]
    together = [rest[at : at + BATCH] for at in range(0, len(rest), BATCH)]
    return [*together, *([node] for node in moving)]


def _moves(node: str) -> bool:
    return node.rsplit("/", 1)[1] in _MOVING


def _bisect(attempt: Attempt, batch: Sequence[str]) -> tuple[int, list[Moved]]:
    """Probe a batch, and its halves if something changed. Return the writes taken and changes."""
    written, what = attempt(batch)
    if not what:
        return written, []
    if len(batch) == 1:
        return written, [Moved(batch[0], what)]
    half = len(batch) // 2
    (one, first), (other, second) = _bisect(attempt, batch[:half]), _bisect(attempt, batch[half:])
    moved = first + second
    if not moved and (again := attempt(batch)[1]):  # or it was an accident of the machine
        moved = [Moved(f"{batch[0]} to {batch[-1]}, together", again)]
    return one + other, moved


def _try(machines: Machines, plan: MachinePlan, batch: Sequence[str]) -> tuple[int, str]:
    """Write to the files on one machine; how many took it, and what moved."""
    images = plan.images
    written = 0
    try:
        with machines.running(plan) as machine:
            witness = Witness(machine, images.kernel)
            handler = Handler(plan.variant, machine, images.kernel, witness)
            handler.wait_for_request(seconds=_SECONDS)
            with Channel(machine.agent_socket(), attempt_seconds=300) as channel:
                attacker = Attacker(channel, images.guest)
                _make_group(attacker)
                if any(node.startswith(_GROUP) and not _moves(node) for node in batch):
                    entered = _take(attacker, f"{CELL}/cgroup.procs", str(handler.pid).encode())
                    if not entered and plan.variant.name == VARIANT:
                        raise VmLost("the handler cannot enter a cgroup")
                    handler.wait_for_request(seconds=_SECONDS)
                before = witness.read()
                for node in batch:
                    written += _write(attacker, node, handler.pid)
                handler.wait_for_request(seconds=_SECONDS)
                handler.restart()
                handler.wait_for_request(seconds=_SECONDS)
                moved = _moved(before, witness.read(), forced=handler.restarts)
    except VmLost as lost:
        return written, str(lost)
    return written, moved


def _make_group(attacker: Attacker) -> None:
    """Create a cgroup with all controllers."""
    controllers = attacker.read_file("/sys/fs/cgroup/cgroup.controllers").split()
    wanted = b" ".join(b"+" + name for name in controllers)
    attacker.write_file("/sys/fs/cgroup/cgroup.subtree_control", wanted)
    attacker.mkdir(CELL)


def _write(attacker: Attacker, node: str, pid: int) -> bool:
    """Write a file's own content, then a benign change of it. Return whether a write was taken."""
    path = node.replace("/proc/<pid>/", f"/proc/{pid}/").replace(_GROUP, f"{CELL}/")
    name = path.rsplit("/", 1)[1]
    try:
        with attacker.open(path, O_RDONLY | _AS_A_DEVICE) as file:
            value = file.read(_VALUE).strip()
    except OSError:
        value = b""
    wanted = [str(pid).encode()] if name in _MOVING else []
    changes = [_BENIGN[name]] if name in _BENIGN else _changes(value)
    wanted = wanted or [value, *changes]
    return sum(_take(attacker, path, data) for data in wanted) > 0


def _take(attacker: Attacker, path: str, data: bytes) -> bool:
    try:
        with attacker.open(path, O_WRONLY | _AS_A_DEVICE) as file:
            file.write(data + b"\n")
    except ShortTransfer:
        return True
    except OSError:
        return False
    return True


def _changes(value: bytes) -> list[bytes]:
    """Return the benign changes: a similar value, or two small ones if there is no content."""
    return [_changed(value)] if value else [_changed(value), b"1"]


def _changed(value: bytes) -> bytes:
    """Return a similar value: the other of 0 and 1, a number plus one, or a longer word."""
    match = _NUMBER.search(value)
    if match is None:
        return value + b"x" if value != b"max" else b"1073741824"
    number = int(match[0])
    other = 1 - number if number in (0, 1) else number + 1
    return value[: match.start()] + str(other).encode() + value[match.end() :]


def _moved(before: Tally, after: Tally, *, forced: int) -> str:
    """Return what has changed, without the restarts that were forced; empty if nothing has."""
    new = after.violations & ~before.violations
    found = [flag.word for flag in Violation if flag in new]
    for what in ("wrong", "failed"):
        if count := getattr(after.count, what) - getattr(before.count, what):
            found.append(f"{count} {what}")
    if (ended := after.exits - before.exits - forced) > 0:
        found.append(f"ended {ended} x")
    if slow := slowed(before, after):
        found.append(slow)
    return ", ".join(found)
