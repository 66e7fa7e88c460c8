# SPDX-License-Identifier: GPL-2.0-only
"""A check, from the kernel's memory, that a rival's policy is loaded and enforced.

It runs once, before any attacker's code, so that no result is drawn on a variant whose policy is
not in force.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Policy
    from harness.vm.machine import Machine

_CHUNK = 1 << 20
_SECONDS = 60.0
_FLAGS = ("initialized", "enforcing")
"""The flags of struct selinux_state that must be set (security/selinux/include/security.h)."""
_DRACONIAN = 2
"""SMACK_PTRACE_DRACONIAN: no task may trace one of another label (security/smack/smack.h)."""
_NO_ATTACH = 3
"""YAMA_SCOPE_NO_ATTACH: no process may trace another (security/yama/yama_lsm.c)."""
_ENUM_SIZE = 4
_IMAGE = 0xFFFFFFFF80000000
"""Start of the kernel image's mapping. Memory that the kernel allocates has lower addresses."""


def check_policy(policy: Policy, machine: Machine, kernel: KernelImage) -> None:
    """Raise VmLost unless the policy is loaded and enforced; UserError if pahole is missing."""
    with machine.paused():
        if missing := _CHECKS[policy.module](policy, machine, kernel):
            raise VmLost(f"the policy of {policy.module} is not {missing} in this guest")


def _selinux(_policy: Policy, machine: Machine, kernel: KernelImage) -> str:
    """Return the first flag of SELinux that is not set, empty if all are."""
    offsets = _offsets(_types(machine, kernel), "selinux_state", _FLAGS)
    for flag, offset in offsets.items():
        if _read(machine, kernel, "selinux_state", 1, offset) != 1:
            return flag
    return ""


def _smack(_policy: Policy, machine: Machine, kernel: KernelImage) -> str:
    """Return what Smack's policy is not, `draconian` or `sealed`; empty if it is in force.

    It is sealed if the list of labels that may override it is not empty. The first element of an
    empty list is the list's head, in the kernel image; of another list, in allocated memory.
    """
    if _read(machine, kernel, "smack_ptrace_rule", 4) != _DRACONIAN:
        return "draconian"
    return "sealed" if _read(machine, kernel, "smack_onlycap_list", 8) >= _IMAGE else ""


def _yama(_policy: Policy, machine: Machine, kernel: KernelImage) -> str:
    """Return what Yama's policy is not: at its strictest; empty if it is."""
    scope = _read(machine, kernel, "ptrace_scope", _ENUM_SIZE)
    return "" if scope == _NO_ATTACH else "at ptrace_scope=3"


def _lockdown(policy: Policy, machine: Machine, kernel: KernelImage) -> str:
    """Return what lockdown is not: at the policy's level; empty if it is.

    The kernel's table of levels has the value of each, which differs between versions.
    """
    level = _read(machine, kernel, "kernel_locked_down", _ENUM_SIZE)
    due = _read(machine, kernel, "lockdown_levels", _ENUM_SIZE, offset=policy.level * _ENUM_SIZE)
    return "" if level == due else f"at level {policy.level}"


_CHECKS: Mapping[str, Callable[[Policy, Machine, KernelImage], str]] = {
    "selinux": _selinux,
    "smack": _smack,
    "yama": _yama,
    "lockdown": _lockdown,
}
"""For each security module, the function that returns what its policy is not; empty if nothing."""


def _read(machine: Machine, kernel: KernelImage, symbol: str, size: int, offset: int = 0) -> int:
    place = kernel.physical(symbol) + machine.load_offset + offset
    return int.from_bytes(machine.read(place, size), "little")


def _types(machine: Machine, kernel: KernelImage) -> bytes:
    """Return the kernel's BTF, read from the paused guest's memory."""
    start, stop = (kernel.physical(f"__{end}_BTF") for end in ("start", "stop"))
    return b"".join(
        machine.read(at + machine.load_offset, min(_CHUNK, stop - at))
        for at in range(start, stop, _CHUNK)
    )


def _offsets(types: bytes, structure: str, members: tuple[str, ...]) -> dict[str, int]:
    """Return the members' offsets in the structure, in bytes; pahole(1) reads them from the BTF."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(types)
        file.flush()
        command = ["pahole", "-F", "btf", "-C", structure, file.name]
        try:
            said = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=True
            ).stdout
        except FileNotFoundError:
            raise UserError("pahole is missing", hint="apt-get install pahole") from None
        except subprocess.CalledProcessError as error:
            raise VmLost(f"pahole cannot read the guest's BTF: {error.stderr.strip()}") from None
    found = {}
    for member in members:
        place = re.search(rf"\b{member};\s+/\*\s*(\d+)", said)
        if place is None:
            raise VmLost(f"struct {structure} has no {member} in this kernel")
        found[member] = int(place[1])
    return found
