# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the settings that harden a kernel: root sets them back.

Each of them ends in an attack of the corpus. The control is `baseline`, where nothing is set: it
shows that the second half works.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.model.variants import YAMA
from harness.model.verdict import Effect
from harness.scenarios.direct import ptrace_seize
from harness.scenarios.registry import PTRACE_CHECK, scenario
from harness.scenarios.rivals import asleep
from harness.scenarios.tracing import io_uring_inject
from harness.scenarios.whole_kernel import module_code

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

KERNEL = "/proc/sys/kernel"
SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"

_set_back = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="yama-switched-off",
    answers=("C5", "L5"),
    needs=("SECURITY_YAMA",),
    not_applicable=asleep(YAMA, "Yama is not active"),
)


@_set_back(reach=PTRACE_CHECK)
def yama_scope_back(attacker: Attacker, handler: Handler) -> None:
    """Set kernel.yama.ptrace_scope to 0, then attach to the handler and overwrite the reply."""
    with suppress(GuestError):
        attacker.write_file(f"{KERNEL}/yama/ptrace_scope", b"0")
    ptrace_seize(attacker, handler)


@_set_back(through="load_module", whole_kernel=True)
def module_signatures_back(attacker: Attacker, handler: Handler) -> None:
    """Switch module.sig_enforce off, then load a module that overwrites the handler's state."""
    with suppress(GuestError):
        attacker.write_file(SIG_ENFORCE, b"N")
    module_code(attacker, handler)


@_set_back(reach=PTRACE_CHECK)
def io_uring_enabled_back(attacker: Attacker, handler: Handler) -> None:
    """Set kernel.io_uring_disabled to 0, then write a forged reply by a worker of an io_uring."""
    with suppress(GuestError):
        attacker.write_file(f"{KERNEL}/io_uring_disabled", b"0")
    io_uring_inject(attacker, handler)
