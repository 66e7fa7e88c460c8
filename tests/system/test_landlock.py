# SPDX-License-Identifier: GPL-2.0-only
"""Landlock: a process restricts itself and its children, and no other process (rivals.md)."""

from __future__ import annotations

from os import O_RDWR, WIFSTOPPED, WUNTRACED
from pathlib import Path
from typing import TYPE_CHECKING

from rival_guests import booted

from harness.guests.payloads import compile_program

if TYPE_CHECKING:
    from harness.lab.lab import Lab

SOURCE = Path(__file__).with_name("landlocked.c")
BOOT_SECONDS = 300


def test_a_domain_restricts_its_processes_and_protects_none(lab: Lab, tmp_path: Path) -> None:
    program = tmp_path / "landlocked"
    compile_program(SOURCE, program)
    spec = lab.spec("baseline", boot="lsm=lockdown,landlock,bpf")
    with booted(lab, spec, seconds=BOOT_SECONDS) as (_, witness, attacker):
        handler = f"/proc/{witness.read().pid}/mem"
        attacker.write_file("/landlocked", program.read_bytes(), mode=0o755)
        restricted = attacker.spawn("/landlocked", handler)
        _, status = attacker.waitpid(restricted, WUNTRACED)
        assert WIFSTOPPED(status), f"exit status {status >> 8}"
        # Root outside reaches the process in the domain, and the handler.
        for memory in (f"/proc/{restricted}/mem", handler):
            attacker.open(memory, O_RDWR).close()
        attacker.seize(restricted)
