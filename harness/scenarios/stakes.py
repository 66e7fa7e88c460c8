# SPDX-License-Identifier: GPL-2.0-only
"""What the scenarios share that show what is at stake with a handler that parses."""

from __future__ import annotations

from errno import EACCES, EPERM, ESRCH
from functools import partial
from os import O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.tools.keyrings import add_key, trusted_keyring, verify
from harness.attacker.tools.memory import expect_memory
from harness.attacker.tools.takeover import KEPT, false_parser
from harness.model.verdict import Effect
from harness.scenarios.registry import scenario
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.attacker.tools.certificates import OwnKey
    from harness.witness.handler import Handler

UNSIGNED = b"a module that nobody has signed"
"""What the attacker signs with a key that the kernel trusts in the end."""

by_proc_mem = partial(
    scenario,
    effect=Effect.INTEGRITY,
    shows=Violation.BELIEVED.word,
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)


def replace_parser(attacker: Attacker, handler: Handler, function: str, reply: bytes) -> None:
    """Overwrite the handler's function that parses: from then on it gives this reply.

    Where CONFIG_PROC_MEM_FORCE_PTRACE is set, only a tracer may write code through /proc/<pid>/mem.
    The handler is stopped outside the parser, or it would go on in the middle of the new code.
    """
    place = handler.symbol("arena") + KEPT
    expect_memory(attacker, handler.pid)
    memory = attacker.open(f"/proc/{handler.pid}/mem", O_RDWR)
    with memory, attacker.seize(handler.pid) as tracee:
        tracee.run_to_entry("read")
        memory.pwrite(reply, place)
        memory.pwrite(false_parser(place, len(reply)), handler.symbol(function))


def add_forged(
    attacker: Attacker, handler: Handler, function: str, reply: bytes, file: bytes, key: OwnKey
) -> None:
    """Have the kernel add the attacker's key, as this reply about a file has it, and use the key.

    `function` is the handler's parser. The keyring takes only keys that a key in the kernel has
    signed.
    """
    with attacker.setup():
        ring = trusted_keyring(attacker)
    replace_parser(attacker, handler, function, reply)
    added = add_key(attacker, file, ring)
    verify(attacker, added, UNSIGNED, key.sign(UNSIGNED))
