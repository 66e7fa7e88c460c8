# SPDX-License-Identifier: GPL-2.0-only
"""Attackers that load code into the guest's kernel get no verdict in their favour.

Each module in `forging/` tampers with the handler and covers that up.
"""

from __future__ import annotations

from contextlib import suppress
from os import O_RDWR
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells
from kernel_forgery import Forgery, run_forger

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from kernel_forgery import Forger

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

LIVE_PATCH = "/sys/kernel/livepatch/livepatch"
MODPROBE = b"""#!/bin/busybox sh
[ "$1" = -r ] && exec /bin/busybox rmmod "$2"
/bin/busybox insmod /answer.ko
for name; do :; done
exec /bin/busybox insmod /lib/modules/$name.ko
"""


def rewritten_tally(forgery: Forgery) -> None:
    """A thread turns wrong replies into right ones, and clears the violations."""
    forgery.harm("rewrite")


def hidden_module(forgery: Forgery) -> None:
    """The same, by a module that is in no list, on a kernel without taint."""
    forgery.harm("rewrite", HIDDEN=1)


def unloaded_module(forgery: Forgery) -> None:
    """The same; then secret, chain, tally and taint are restored, and the module is unloaded."""
    forgery.harm("rewrite")
    forgery.unload("rewrite")


def module_that_fails_to_load(forgery: Forgery) -> None:
    """All of that in the module's init function, which then fails: it was never loaded."""
    forgery.attacker.write_file("/briefly.ko", forgery.build("briefly"), mode=0o600)
    loading = forgery.attacker.spawn("/bin/busybox", "insmod", "/briefly.ko")
    forgery.wait_for_other_secret()
    forgery.attacker.waitpid(loading)
    assert forgery.secret_now() == forgery.secret


def patched_witness(forgery: Forgery) -> None:
    """The witness's code takes any reply for a right reply. It is restored afterwards."""
    forgery.harm("text")
    forgery.unload("text")


def answer_in_its_place(forgery: Forgery) -> None:
    """The witness asks the module in place of the handler, to the end of the cell."""
    forgery.harm("answer")


def read_only_data(forgery: Forgery) -> None:
    """The same by the witness's read-only table of functions. It is restored afterwards."""
    forgery.harm("answer", READ_ONLY=1)
    forgery.unload("answer")


def kprobe(forgery: Forgery) -> None:
    """A kprobe on the witness's code, which is removed afterwards."""
    forgery.harm("kprobe")
    forgery.unload("kprobe")


def ftrace(forgery: Forgery) -> None:
    """A function of the library redirected by ftrace, for a while."""
    forgery.harm("ftrace")
    forgery.unload("ftrace")


def live_patch(forgery: Forgery) -> None:
    """A live patch of the library, with which the handler is never asked again."""
    forgery.load("livepatch")
    if forgery.attacker.read_file(f"{LIVE_PATCH}/transition").strip() != b"0":
        forgery.attacker.write_file(f"{LIVE_PATCH}/force", b"1")
    forgery.wait_for_other_secret()
    forgery.handler.wait_for_request()


def moved_page_table(forgery: Forgery) -> None:
    """The tally names a page table by which the host finds a copy of the handler's page."""
    forgery.harm("decoy")


def in_the_aftermath(forgery: Forgery) -> None:
    """Nothing happens to the handler until the last phase of the aftermath."""
    forgery.load("answer", FROM_PHASE=3)


def with_the_loader(forgery: Forgery) -> None:
    """The program with which the kernel loads the loader again loads the forger as well."""
    attacker = forgery.attacker
    attacker.write_file("/answer.ko", forgery.build("answer", FROM_PHASE=3), mode=0o600)
    attacker.unlink("/sbin/modprobe")
    attacker.write_file("/sbin/modprobe", MODPROBE, mode=0o755)


def evil_loader(forgery: Forgery) -> None:
    """The module that the aftermath loads again is a forger's: no module is loaded beside it."""
    handler = forgery.handler
    program = f'-DHANDLER="{handler._image.handlers / handler.name}"'
    module = forgery.build("loader", program, as_name=handler.loader)
    forgery.attacker.unlink(f"/lib/modules/{handler.loader}.ko")
    forgery.attacker.write_file(f"/lib/modules/{handler.loader}.ko", module, mode=0o644)


def shown_secret(forgery: Forgery) -> None:
    """The restored handler's secret is shown, for the verdict `leaked`."""
    unloaded_module(forgery)
    forgery.attacker.show(forgery.secret)


def missing_loader(forgery: Forgery) -> None:
    """The restored handler's loader is removed, for the verdict `disrupted`."""
    unloaded_module(forgery)
    forgery.attacker.unlink(f"/lib/modules/{forgery.handler.loader}.ko")


FORGERS = (
    rewritten_tally,
    hidden_module,
    unloaded_module,
    module_that_fails_to_load,
    patched_witness,
    answer_in_its_place,
    read_only_data,
    kprobe,
    ftrace,
    live_patch,
    moved_page_table,
    in_the_aftermath,
    with_the_loader,
    evil_loader,
    shown_secret,
    missing_loader,
)


def test_a_module_that_covers_nothing_up_is_tampering(cells: Cells, tmp_path: Path) -> None:
    """The forgers hide this."""

    def attack(forgery: Forgery) -> None:
        forgery.load("rewrite", UNCOVERED=1)
        forgery.wait_for_other_secret()
        forgery.handler.let_pass(100_000_000)

    run_forger(cells, attack, tmp_path).check_seen()


@pytest.mark.parametrize("forger", FORGERS, ids=lambda forger: forger.__name__)
def test_no_module_forges_a_verdict(cells: Cells, tmp_path: Path, forger: Forger) -> None:
    run_forger(cells, forger, tmp_path).check()


def test_no_module_that_is_loaded_in_the_preparation_forges_a_verdict(
    cells: Cells, tmp_path: Path
) -> None:
    run_forger(cells, answer_in_its_place, tmp_path, early=True).check()


def denied_in_the_end(forgery: Forgery) -> None:
    """After the forgery a call is denied, which could be the work of the rival's policy."""
    attacker = forgery.attacker
    answer_in_its_place(forgery)
    with suppress(OSError):
        attacker.open("/dev/mem", O_RDWR)  # which is the work of the policy
    attacker.syscall("execve", "/sys", 0, 0)  # a folder of the guest


def test_no_denial_after_a_forgery_holds(cells: Cells, tmp_path: Path) -> None:
    """Smack lets root load modules. The attack declares that it may write kernel memory."""
    forged = run_forger(cells, denied_in_the_end, tmp_path, "smack", whole_kernel=True)
    assert forged.harmed
    assert str(forged.outcome.attempt_end) == "denied: EACCES at execve"
    assert forged.outcome.verdict in (Verdict.TAMPERED, Verdict.ERROR), forged.outcome.detail
