# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that forge a verdict with code or writes in the guest's kernel."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from os import O_NONBLOCK, O_RDONLY
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from guest_module import WITNESS, build_module

from harness.attacker.tools.kcore import Kcore, segments
from harness.guests.payloads import compile_program
from harness.host.errors import VmLost
from harness.model.attempt_end import End
from harness.model.verdict import Verdict
from harness.witness.reader import Witness
from harness.witness.tally import WitnessState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cells import Cells

    from harness.attacker import Attacker
    from harness.model.cell import Outcome
    from harness.witness.handler import Handler
    from harness.witness.tally import Tally

    Forger = Callable[["Forgery"], None]

SOURCES = Path(__file__).parent.parent / "system" / "forging"
SECRET_SIZE = 32
PATIENCE = 120.0
"""Seconds that a forger has to tamper with the handler, on a host however busy."""
ATTEMPT_SECONDS = 300.0


@dataclass
class Forgery:
    """A forging attack on one cell, and the host's own view of the handler's secret.

    The forgers never get to see that view: the host reads the page where the secret was before
    the attack, wherever the guest says that it is.
    """

    attacker: Attacker
    handler: Handler
    folder: Path
    """Where modules and programs are built."""
    page: int = 0
    """Physical address of the secret before the attack."""
    secret: bytes = b""
    """The secret before the attack."""
    proofs: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Note the secret, and reach the handler so that the attack counts as one that arrived."""
        self.page = self.handler.physical("secret")
        self.secret = self.secret_now()
        be_refused(self.attacker, self.handler)

    def secret_now(self) -> bytes:
        """What is in the secret's place."""
        machine = self.handler._machine
        with machine.paused():
            return machine.read(self.page, SECRET_SIZE)

    def wait_for_other_secret(self) -> None:
        """Wait until the host sees another secret there: the proof that the handler was harmed."""
        deadline = time.monotonic() + PATIENCE
        while self.secret_now() == self.secret:
            assert time.monotonic() < deadline, "the handler still has its secret"
            time.sleep(0.01)
        self.proofs.append("another secret")

    def look(self, tally: Tally) -> None:
        """Look whether the handler of today, or of before the attack, has the inverse secret."""
        if self.secret_now() == _inverse(self.secret) or self._has_inverse(tally):
            self.proofs.append("the inverse secret")

    def _has_inverse(self, tally: Tally) -> bool:
        machine = self.handler._machine
        try:
            with machine.paused():
                place = machine.walk(tally.page_table, self.handler.symbol("secret"))
                secret = machine.read(place, SECRET_SIZE)
        except VmLost:  # it is being started or ended
            return False
        return sha256(_inverse(secret)).digest() in self.handler._witness.secrets

    def build(self, name: str, *flags: str, as_name: str = "", **macros: int) -> bytes:
        """Build the module `forging/<name>.c`, under another name if one is given."""
        symbol = self.handler.symbol
        known = {"HANDLER_SECRET": symbol("secret"), "HANDLER_CHAIN": symbol("chain")}
        source, target = SOURCES / f"{name}.c", self.folder / f"{as_name or name}.ko"
        return build_module(source, self.handler._image, target, *flags, **known, **macros)

    def load(self, name: str, **macros: int) -> None:
        """Load that module."""
        module = self.build(name, as_name=name, **macros)
        self.attacker.syscall("init_module", module, len(module), "")

    def harm(self, name: str, **macros: int) -> None:
        """Load that module, and wait until the handler has another secret and is asked."""
        self.load(name, **macros)
        self.wait_for_other_secret()
        self.handler.wait_for_request()

    def unload(self, name: str) -> None:
        """Unload the module, which restores what it changed."""
        self.attacker.syscall("delete_module", name, O_NONBLOCK)
        assert self.secret_now() == self.secret

    def compile(self, name: str, *flags: str) -> bytes:
        """Compile the program `forging/<name>.c`."""
        program = self.folder / name
        macros = (f"-D{name}={value:#x}UL" for name, value in self._places().items())
        compile_program(SOURCES / f"{name}.c", program, *flags, *macros, f"-I{WITNESS}")
        return program.read_bytes()

    def write_memory(self, way: str, *flags: str) -> None:
        """Tamper with the handler by `forging/memory.c` and restore all, by `forging/<way>.h`."""
        program = self.compile("memory", *flags, f'-DWAY="{way}.h"')
        self.attacker.write_file("/memory", program, mode=0o755)
        pid = self.attacker.spawn("/memory")
        self.wait_for_other_secret()
        self.handler.let_pass(100_000_000)
        self.attacker.write_file("/enough", b"", mode=0o600)
        _, status = self.attacker.waitpid(pid)
        assert not status
        assert self.secret_now() == self.secret

    def _places(self) -> dict[str, int]:
        """Addresses for the programs: physical memory, and where kernel and /proc/kcore have it."""
        handler = self.handler
        kernel, offset = handler._image, handler._machine.load_offset
        direct = Kcore(self.attacker).direct(self.page)
        return {
            "SECRET_AT": self.page,
            "CHAIN_AT": handler.physical("chain"),
            "TALLY_AT": kernel.physical("umd_witness_tally") + offset,
            "CHAINS_AT": kernel.physical("chains") + offset,
            "IS_RIGHT_AT": kernel.physical("is_right") + offset,
            "TAINT_AT": kernel.physical("tainted_mask") + offset,
            "COMMAND_AT": kernel.physical("umd_witness_command") + offset,
            "HANDLER_SECRET": handler.symbol("secret"),
            "DIRECT_AT": direct - self.page,
            "KCORE_AT": _core_offset(self.attacker, direct) - self.page,
        }


def _core_offset(attacker: Attacker, virtual: int) -> int:
    """Where /proc/kcore has that address of the kernel."""
    with attacker.open("/proc/kcore", O_RDONLY) as core:
        found = segments(core.pread(4096, 0))
    return next(
        segment.offset + virtual - segment.virtual
        for segment in found
        if 0 <= virtual - segment.virtual < segment.size
    )


def _inverse(secret: bytes) -> bytes:
    """What all forgers make of a secret."""
    return bytes(byte ^ 0xFF for byte in secret)


@dataclass(frozen=True)
class Forged:
    """What came of a forger."""

    outcome: Outcome
    harmed: bool
    """The host saw that the handler was harmed."""

    def check(self) -> None:
        """Check that the forger did all that it wanted, and got no verdict in its favour."""
        assert self.harmed, self.outcome.detail
        self.check_verdict()

    def check_verdict(self) -> None:
        """Check that the forger came to its end, and got no verdict in its favour."""
        assert self.outcome.attempt_end.end is End.COMPLETED, self.outcome.attempt_end
        assert self.outcome.verdict in (Verdict.TAMPERED, Verdict.ERROR), self.outcome.detail

    def check_seen(self) -> None:
        """Check that the witness saw the harm, which nothing covered up."""
        assert self.harmed, self.outcome.detail
        assert self.outcome.verdict is Verdict.TAMPERED, self.outcome.detail


def run_forger(
    cells: Cells,
    forger: Forger,
    folder: Path,
    variant: str = "isolated",
    *,
    early: bool = False,
    **declared: Any,
) -> Forged:
    """Run a forger as a scenario declared like that.

    An early forger is the scenario's preparation. The attack then harms nothing.
    """
    forgeries: list[Forgery] = []

    def forge(attacker: Attacker, handler: Handler) -> None:
        forgeries.append(Forgery(attacker, handler, folder))
        forgeries[0].begin()
        forger(forgeries[0])

    if early:
        declared["prepare"] = forge
    attack = be_refused if early else forge
    with watched_aftermath(forgeries):
        outcome = cells.run(attack, variant, seconds=ATTEMPT_SECONDS, **declared)
    return Forged(outcome, any(forgery.proofs for forgery in forgeries))


def be_refused(attacker: Attacker, handler: Handler) -> None:
    """Reach the handler in the kernel, so that the attack counts as one that arrived."""
    with suppress(OSError):
        attacker.open(f"/proc/{handler.pid}/exe", O_RDONLY).close()


@contextmanager
def watched_aftermath(forgeries: list[Forgery]) -> Iterator[None]:
    """Look at the handler's secret when the harness reads the tally, from the aftermath on."""
    read = Witness.read

    def read_and_look(witness: Witness) -> Tally:
        tally = read(witness)
        if tally.state is not WitnessState.RUNNING and forgeries:
            forgeries[0].look(tally)
        return tally

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Witness, "read", read_and_look)
        yield
