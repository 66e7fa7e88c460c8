# SPDX-License-Identifier: GPL-2.0-only
"""Whether a rival's policy is in force, as the host reads it from the kernel's memory.

Asked once, before any attacker's code runs: a variant that is not what it is called is refused.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from typing import TYPE_CHECKING

from harness.errors import UserError, VmLost

if TYPE_CHECKING:
    from harness.kernel.images import KernelImage
    from harness.variants import Policy
    from harness.vm.machine import Machine

_CHUNK = 1 << 20
_SECONDS = 60.0
_FLAGS = ("initialized", "enforcing")
"""What struct selinux_state says of itself (security/selinux/include/security.h)."""


def check_policy(policy: Policy, machine: Machine, kernel: KernelImage) -> None:
    """Raise VmLost unless the policy is loaded and in force."""
    state = kernel.physical(f"{policy.module}_state") + machine.load_offset
    with machine.paused():
        types = _types(machine, kernel)
        for flag, offset in _offsets(types, f"{policy.module}_state", _FLAGS).items():
            if machine.read(state + offset, 1) != b"\1":
                raise VmLost(f"the policy of {policy.module} is not {flag} in this guest")


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
