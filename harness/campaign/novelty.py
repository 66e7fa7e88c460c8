# SPDX-License-Identifier: GPL-2.0-only
"""What is new about a program: results of calls at the handler, hooks that saw it, covered code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.errors import errno_name
from harness.attacker.agent.protocol import failed
from harness.campaign.program import Call, Fact, Made, Pid, Text, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.campaign.program import Program

_PC = "pc "

_NEAR = ("handler", "group", "worker", "caller", "address", "frame")


def is_near(program: Program, call: Call) -> bool:
    """Whether a call names the handler, its page, its worker or its caller.

    It names them itself or by what an earlier call made.
    """
    for argument in (part for one in call.args for part in parts(one)):
        match argument:
            case Pid(name) | Fact(name) if name in _NEAR:
                return True
            case Text(text) if any(f"{{{name}}}" in text for name in _NEAR):
                return True
            case Made(at) if is_near(program, program.calls[at]):
                return True
    return False


def features(program: Program, results: Sequence[int]) -> set[str]:
    """Return what the calls at the handler did: a name and a result each.

    The results are the guest's claims. They steer the search, and decide nothing.
    """
    return {
        f"{call.name} {errno_name(-result) if failed(result) else 'done'}"
        for call, result in zip(program.calls, results, strict=False)
        if is_near(program, call)
    }


def pc_features(pcs: Iterable[int]) -> set[str]:
    """Return the features for addresses of kernel code, of which the lower 32 bits are given."""
    return {f"{_PC}{pc:08x}" for pc in pcs}


def known_pcs(seen: Iterable[str]) -> list[int]:
    """Return the lower 32 bits of the addresses among the features that were seen."""
    return [int(name.removeprefix(_PC), 16) for name in seen if name.startswith(_PC)]
