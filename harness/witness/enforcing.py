# SPDX-License-Identifier: GPL-2.0-only
"""Whether a rival's policy is in force, as the host reads it from the kernel's memory.

Asked once, before any attacker's code runs: a variant that is not what it is called is refused.
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
"""What struct selinux_state says of itself (security/selinux/include/security.h)."""
_DRACONIAN = 2
"""Smack's rule for ptrace by which nobody traces another label (security/smack/smack.h)."""
_IMAGE = 0xFFFFFFFF80000000
"""Where the kernel's own variables begin; what it allocates lies below."""


def check_policy(policy: Policy, machine: Machine, kernel: KernelImage) -> None:
    """Raise VmLost unless the policy is loaded and in force."""
    with machine.paused():
        if missing := _CHECKS[policy.module](machine, kernel):
            raise VmLost(f"the policy of {policy.module} is not {missing} in this guest")


def _selinux(machine: Machine, kernel: KernelImage) -> str:
    """Say what it is not yet; empty if it is in force."""
    offsets = _offsets(_types(machine, kernel), "selinux_state", _FLAGS)
    for flag, offset in offsets.items():
        if _read(machine, kernel, "selinux_state", 1, offset) != 1:
            return flag
    return ""


def _smack(machine: Machine, kernel: KernelImage) -> str:
    """The list of those who may override it is its own head as long as it is empty."""
    if _read(machine, kernel, "smack_ptrace_rule", 4) != _DRACONIAN:
        return "draconian"
    return "sealed" if _read(machine, kernel, "smack_onlycap_list", 8) >= _IMAGE else ""


_CHECKS: Mapping[str, Callable[[Machine, KernelImage], str]] = {
    "selinux": _selinux,
    "smack": _smack,
}
"""What each module's policy lacks to be in force."""


def _read(machine: Machine, kernel: KernelImage, symbol: str, size: int, offset: int = 0) -> int:
    place = kernel.physical(symbol) + machine.load_offset + offset
    return int.from_bytes(machine.read(place, size), "little")


def _types(machine: Machine, kernel: KernelImage) -> bytes:
    """Return the kernel's BTF, from where it lies in the paused guest."""
    start, stop = (kernel.physical(f"__{end}_BTF") for end in ("start", "stop"))
    return b"".join(
        machine.read(at + machine.load_offset, min(_CHUNK, stop - at))
        for at in range(start, stop, _CHUNK)
    )


def _offsets(types: bytes, structure: str, members: tuple[str, ...]) -> dict[str, int]:
    """Return where the members lie, in bytes, by what pahole makes of the types."""
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
            raise VmLost(f"the guest's BTF is none: {error.stderr.strip()}") from None
    found = {}
    for member in members:
        place = re.search(rf"\b{member};\s+/\*\s*(\d+)", said)
        if place is None:
            raise VmLost(f"struct {structure} has no {member} in this kernel")
        found[member] = int(place[1])
    return found
