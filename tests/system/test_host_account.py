# SPDX-License-Identifier: GPL-2.0-only
"""The host's own account: what it writes into a guest's memory as an attacker would, it notices."""

from __future__ import annotations

import time
from contextlib import contextmanager
from os import urandom
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import VmLost
from harness.lab.by_hand import Guest, guests
from harness.lab.trial import aftermath
from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Verdict
from harness.vm.paging import leaf
from harness.witness import layout
from harness.witness.cell_verdict import CellVerdict, draw_verdict
from harness.witness.challenge import is_answer
from harness.witness.layout import TallyStruct
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.witness.evidence import Evidence

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

WRITABLE = 1 << 1
WRONG_SECONDS = 30
INSIDE = 16
"""Bytes from the start of a function: behind what ftrace patches."""


@pytest.fixture
def variant() -> str:
    return "isolated"


@pytest.fixture
def guest(variant: str) -> Iterator[Guest]:
    with guests() as make:
        guest = make(variant)
        guest.handler.wait_for_request()
        yield guest


def kernel(guest: Guest, symbol: str) -> int:
    """The physical address of a kernel symbol in this guest."""
    return guest.handler._image.physical(symbol) + guest.machine.load_offset


def flip(guest: Guest, address: int) -> None:
    """Invert a byte of guest memory."""
    with guest.machine.paused():
        byte = guest.machine.read(address, 1)
        guest.machine.write(address, bytes([byte[0] ^ 0xFF]))


@contextmanager
def at_rest(guest: Guest) -> Iterator[None]:
    """Pause the guest, not while the witness writes its tally."""
    for _ in range(100):
        with guest.machine.paused():
            if tally_of(guest).sequence % 2 == 0:
                yield
                return
    pytest.fail("the witness never stops writing")


def tally_of(guest: Guest) -> TallyStruct:
    data = guest.machine.read(kernel(guest, "umd_witness_tally"), layout.SIZE)
    return TallyStruct.from_buffer_copy(data)


def rewrite_tally(guest: Guest, change: Callable[[TallyStruct], None]) -> None:
    """Change the tally in the paused guest's memory."""
    tally = tally_of(guest)
    change(tally)
    guest.machine.write(kernel(guest, "umd_witness_tally"), bytes(tally))


def lies_become_truth(tally: TallyStruct) -> None:
    tally.count.right += tally.count.wrong
    tally.count.wrong = 0
    for record in tally.records:
        record.wrong = 0


def so_far(guest: Guest) -> CellVerdict:
    """The verdict before the aftermath, which would start other handlers."""
    return draw_verdict(noted(guest), AttemptEnd(End.COMPLETED))


def noted(guest: Guest) -> Evidence:
    """The evidence before the aftermath."""
    return guest.account.attacked(guest.before, guest.attacker)


@pytest.mark.parametrize("variant", ["isolated", "kthread", "baseline"])
def test_nothing_is_noticed_of_a_guest_that_is_left_alone(guest: Guest) -> None:
    attacked = noted(guest)
    after, ended = aftermath(guest.witness)
    for evidence in (attacked, guest.account.concluded(attacked, after, ended=ended)):
        assert (evidence.at_rest, evidence.unseen, evidence.kernel_changed) == ("", "", "")
        assert evidence.contradictions == ()
    told = guest.witness.read().challenge
    assert (told.generation, told.error) == (after.generation, 0)


@pytest.mark.parametrize("variant", ["isolated", "kthread", "baseline"])
def test_the_handler_answers_the_host_by_the_secret_in_its_memory(guest: Guest) -> None:
    noted(guest)
    body = urandom(layout.HASH_BYTES)
    told = guest.witness.challenge(body)
    secret = guest.account._rest.secrets[told.generation]
    assert is_answer(told, body, secret)
    assert not is_answer(told, urandom(layout.HASH_BYTES), secret)
    assert not is_answer(told, body, urandom(layout.HASH_BYTES))


@pytest.mark.parametrize("variant", ["isolated", "kthread"])
@pytest.mark.parametrize("variable", ["secret", "chain"])
def test_a_changed_handler_is_seen_although_the_tally_was_put_right(
    guest: Guest, variable: str
) -> None:
    chain = guest.handler.physical("chain")
    far = 0
    if variable == "secret":  # the thread's module has the one behind the other
        is_thread = guest.witness.read().chain
        far = 32 if is_thread else guest.handler.symbol("secret") - guest.handler.symbol("chain")
    flip(guest, chain + far)
    deadline = time.monotonic() + WRONG_SECONDS
    drawn = None
    while drawn is None:
        assert time.monotonic() < deadline
        with at_rest(guest):
            if tally_of(guest).count.wrong:
                rewrite_tally(guest, lies_become_truth)
                drawn = so_far(guest)
    assert (drawn.verdict, drawn.detail) == (Verdict.TAMPERED, f"{variable} at rest")


def test_a_written_byte_of_the_handlers_memory_is_seen(guest: Guest) -> None:
    flip(guest, guest.handler.physical("environ"))
    drawn = so_far(guest)
    assert (drawn.verdict, drawn.detail) == (Verdict.TAMPERED, "memory at rest")


def set_violations(flags: Violation) -> Callable[[TallyStruct], None]:
    def change(tally: TallyStruct) -> None:
        tally.violations = flags

    return change


def test_a_violation_that_was_seen_cannot_be_taken_back(guest: Guest) -> None:
    for flags in (Violation.TRACED, Violation(0)):
        with at_rest(guest):
            rewrite_tally(guest, set_violations(flags))
        assert guest.witness.read().violations is flags
    drawn = guest.conclude()
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail == (
        "the witness and the host's own account differ: the violation traced vanished"
    )


def test_the_secrets_hash_of_a_handler_cannot_be_replaced(guest: Guest) -> None:
    generation = guest.witness.read().generation

    def replace(tally: TallyStruct) -> None:
        tally.secrets_sha256[generation % layout.SECRETS][0] ^= 0xFF

    with at_rest(guest):
        rewrite_tally(guest, replace)
    found = noted(guest).contradictions
    assert f"the secret's hash of handler {generation} changed" in found


@pytest.mark.parametrize(
    ("symbol", "offset", "found"),
    [
        ("pipe_read", INSIDE, "text at pipe_read+0x10"),
        ("linux_banner", 0, "read-only data at linux_banner+0x0"),
        ("idt_table", 0, "the interrupt table"),
    ],
)
def test_a_changed_byte_of_the_kernel_is_noticed(
    guest: Guest, symbol: str, offset: int, found: str
) -> None:
    place = kernel(guest, symbol) + offset
    with at_rest(guest):
        byte = guest.machine.read(place, 1)
        guest.machine.write(place, bytes([byte[0] ^ 0xFF]))
        drawn = so_far(guest)
        guest.machine.write(place, byte)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail == f"the guest's kernel was changed: {found}"


def test_a_page_of_text_that_becomes_writable_is_noticed(guest: Guest) -> None:
    root = kernel(guest, "init_top_pgt")
    text = guest.handler._image.symbol("pipe_read")
    entries: list[int] = []

    def read(address: int, size: int) -> bytes:
        entries.append(address)
        return guest.machine.read(address, size)

    with guest.machine.paused():
        entry, _ = leaf(read, root, text)
        guest.machine.write(entries[-1], (entry | WRITABLE).to_bytes(8, "little"))
    assert "page table" in noted(guest).kernel_changed


def test_a_host_that_sees_no_change_at_all_draws_no_conclusion(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest.machine.ram, "changes", lambda _mark: [])
    with pytest.raises(VmLost, match="does not see what the guest writes"):
        noted(guest)
