# SPDX-License-Identifier: GPL-2.0-only
"""The handler's memory against the witness's account, in a machine of two pages."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tallies import BEFORE

from harness.host.errors import VmLost
from harness.kernel.build.images import KernelImage
from harness.model import handlers
from harness.model.handlers import BACKDOOR
from harness.vm.guest_ram import PAGE
from harness.vm.paging import ACCESSED
from harness.witness import handler_at_rest
from harness.witness.handler_at_rest import (
    LOOKS,
    NO_ANSWER,
    NOBODY,
    STARTS,
    HandlerAtRest,
    RestState,
    beside_the_witness,
    is_link,
)
from harness.witness.handler_layout import HandlerLayout, Segment
from harness.witness.layout import SECRETS
from harness.witness.tally import Record

if TYPE_CHECKING:
    from harness.witness.tally import Tally

CHAINS, OBJECTS, TOP = 0x100, 0x200, 2 * PAGE
VIRTUAL, PHYSICAL = 0x403000, PAGE
SECRET, CHAIN, REQUEST, POINTER = 0x10, 0x30, 0x50, 0x800
LAYOUT = HandlerLayout(
    secret=VIRTUAL + SECRET,
    chain=VIRTUAL + CHAIN,
    request=VIRTUAL + REQUEST,
    segments=(Segment(VIRTUAL, bytes(PAGE)),),
    own=((VIRTUAL + SECRET, 32), (VIRTUAL + CHAIN, 32), (VIRTUAL + REQUEST, 56)),
)
SECRET_BYTES, LINK, ASKED = b"s" * 32, b"c" * 32, b"r" * 56
HASH = sha256(SECRET_BYTES).digest()
NEXT = sha256(LINK + ASKED + HASH).digest()
GENERATION = 6
ANSWERED = (Record(number=9, generation=GENERATION, error=0, wrong=False, nanoseconds=1),)
TALLY = replace(
    BEFORE,
    generation=GENERATION,
    records=ANSWERED,
    secret_slots=tuple(HASH if n == GENERATION else bytes(32) for n in range(SECRETS)),
)


@dataclass
class Machine:
    """Its first page is the kernel's, its second the handler's."""

    memory: bytearray = field(default_factory=lambda: bytearray(4 * PAGE))
    load_offset: int = 0
    page: int = PHYSICAL
    """Where the handler's page is; 0: nowhere."""

    def __post_init__(self) -> None:
        self.put(OBJECTS + 8, struct.pack("<Q", 0xFFFF888000001000))
        self.put(CHAINS + GENERATION % STARTS * 32, LINK)
        self.put(PHYSICAL + SECRET, SECRET_BYTES)
        self.put(PHYSICAL + CHAIN, LINK)
        self.put(PHYSICAL + REQUEST, ASKED)

    def put(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def walk(self, table: int, virtual: int) -> int:
        if not self.page:
            raise VmLost("the guest maps nothing there")
        assert (table, virtual) == (BEFORE.page_table, VIRTUAL)
        return self.page


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def rest(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> HandlerAtRest:
    monkeypatch.setattr(handler_at_rest, "process_layout", lambda _path: LAYOUT)
    places = {"chains": CHAINS, "objects": OBJECTS}
    monkeypatch.setattr(handler_at_rest, "beside_the_witness", lambda _, name: places[name])
    kernel = cast("Any", SimpleNamespace(handlers=Path("/"), physical=lambda _name: TOP))
    handler = cast("Any", SimpleNamespace(program=handlers.HASH.program, is_thread=False))
    return HandlerAtRest(cast("Any", machine), kernel, handler, fixed=True)


def watch(rest: HandlerAtRest, tally: Tally = TALLY, *, looks: int = LOOKS + 1) -> None:
    for _ in range(looks):
        rest.observe(tally)


def test_a_handler_that_agrees_is_seen_at_once(rest: HandlerAtRest) -> None:
    assert rest.unseen == NOBODY
    watch(rest, looks=1)
    assert (rest.wrong, rest.unseen, rest.contradictions) == ("", "", [])


@pytest.mark.parametrize(
    ("at", "data", "wrong"),
    [
        (PHYSICAL + SECRET, b"S", "secret at rest"),
        (PHYSICAL + SECRET, bytes(32), "secret at rest"),
        (PHYSICAL + CHAIN, b"C", "chain at rest"),
        (PHYSICAL + POINTER, b"\1", "memory at rest"),
        (CHAINS + GENERATION % STARTS * 32, b"C", "chain at rest"),
    ],
)
def test_what_stays_different_is_wrong(
    rest: HandlerAtRest, machine: Machine, at: int, data: bytes, wrong: str
) -> None:
    machine.put(at, data)
    watch(rest, looks=LOOKS)
    assert rest.wrong == ""
    watch(rest, looks=1)
    assert (rest.wrong, rest.unseen) == (wrong, wrong)


def test_a_difference_that_passes_was_a_request(rest: HandlerAtRest, machine: Machine) -> None:
    machine.put(PHYSICAL + CHAIN, b"C")
    watch(rest, looks=LOOKS)
    machine.put(PHYSICAL + CHAIN, LINK)
    watch(rest)
    assert (rest.wrong, rest.unseen) == ("", "")


def test_a_handler_with_a_backdoor_may_write_its_memory(
    rest: HandlerAtRest, machine: Machine
) -> None:
    rest._handler.program = BACKDOOR
    machine.put(PHYSICAL + POINTER, b"\1")
    watch(rest)
    assert (rest.wrong, rest.unseen) == ("", "")


@pytest.mark.parametrize(
    ("chain", "right"),
    [
        (LINK, True),
        (NEXT, True),
        (NEXT[:9] + LINK[9:], True),
        (bytes(32), False),
        (sha256(NEXT + ASKED + HASH).digest(), False),
    ],
)
def test_a_chain_may_be_one_link_ahead(chain: bytes, right: bool) -> None:
    state = RestState(SECRET_BYTES, chain, ASKED, pages=(), is_written=False)
    assert is_link(LINK, state, HASH) is right


@pytest.mark.parametrize(
    "written",
    [
        bytes(64),
        SECRET_BYTES[:9] + bytes(55),
        SECRET_BYTES + bytes(32),
        SECRET_BYTES + HASH[:9] + bytes(23),
    ],
)
def test_a_handler_that_still_writes_its_secret_is_not_seen(
    rest: HandlerAtRest, machine: Machine, written: bytes
) -> None:
    machine.put(CHAINS + GENERATION % STARTS * 32, HASH)
    machine.put(PHYSICAL + SECRET, written)
    watch(rest, replace(TALLY, records=()))
    assert (rest.wrong, rest.unseen) == ("", NO_ANSWER)
    watch(rest)
    assert rest.wrong


def test_a_handler_that_had_its_secret_keeps_it_before_it_answers(
    rest: HandlerAtRest, machine: Machine
) -> None:
    machine.put(PHYSICAL + CHAIN, bytes(32))
    watch(rest, replace(TALLY, records=()))
    machine.put(PHYSICAL + SECRET, b"S")
    watch(rest, replace(TALLY, records=()), looks=1)
    assert rest.wrong == "secret at rest"


def test_a_program_that_differs_is_wrong_before_the_handler_answers(
    rest: HandlerAtRest, machine: Machine
) -> None:
    machine.put(PHYSICAL + POINTER, b"\1")
    watch(rest, replace(TALLY, records=()))
    assert rest.wrong == "memory at rest"


def test_a_handler_that_has_ended_is_not_seen(rest: HandlerAtRest, machine: Machine) -> None:
    machine.put(OBJECTS + 8, bytes(8))
    machine.put(PHYSICAL + SECRET, b"S")
    watch(rest)
    assert (rest.wrong, rest.unseen) == ("", NOBODY)


def test_a_page_table_without_the_kernel_is_none(rest: HandlerAtRest, machine: Machine) -> None:
    kernels = 511 * 8
    machine.put(TOP + kernels, struct.pack("<Q", 0x2028063 | ACCESSED))
    machine.put(PHYSICAL + SECRET, b"S")
    watch(rest)
    assert (rest.wrong, rest.unseen) == ("", "the handler's page table is freed")


def test_memory_that_is_elsewhere_is_not_seen(rest: HandlerAtRest, machine: Machine) -> None:
    machine.page = 0
    watch(rest)
    assert (rest.wrong, rest.unseen) == ("", "the guest maps nothing there")


@pytest.mark.parametrize("fixed", [True, False])
def test_pages_that_move_are_told_where_nothing_may_move_them(
    rest: HandlerAtRest, machine: Machine, fixed: bool
) -> None:
    rest._fixed = fixed
    watch(rest, looks=1)
    machine.put(3 * PAGE, machine.read(PHYSICAL, PAGE))
    machine.page = 3 * PAGE
    watch(rest, replace(TALLY, phase=1))
    assert rest.wrong == ""
    assert rest.contradictions == ["the pages of handler 6 moved"] * fixed


def test_a_handler_is_looked_at_again_in_each_phase(rest: HandlerAtRest, machine: Machine) -> None:
    watch(rest, looks=1)
    machine.put(PHYSICAL + CHAIN, b"C")
    watch(rest)
    assert rest.wrong == ""
    watch(rest, replace(TALLY, phase=1))
    assert rest.wrong == "chain at rest"


@pytest.mark.parametrize("phase", [0, 1])
def test_a_handler_that_had_its_secret_never_has_another(
    rest: HandlerAtRest, machine: Machine, phase: int
) -> None:
    watch(rest, looks=1)
    machine.put(PHYSICAL + SECRET, b"S")
    watch(rest, replace(TALLY, phase=phase), looks=1)
    machine.put(PHYSICAL + SECRET, SECRET_BYTES)
    watch(rest)
    assert rest.wrong == "secret at rest"


def test_the_secret_of_a_handler_that_has_ended_is_not_looked_at(
    rest: HandlerAtRest, machine: Machine
) -> None:
    watch(rest, looks=1)
    machine.put(PHYSICAL + SECRET, b"S")
    machine.put(OBJECTS + 8, bytes(8))
    watch(rest)
    assert rest.wrong == ""


def test_settling_looks_again(rest: HandlerAtRest, machine: Machine) -> None:
    witness = cast("Any", SimpleNamespace(read=lambda: rest.observe(TALLY)))
    rest.settle(witness, patience=3)
    assert (rest.wrong, rest.unseen) == ("", "")
    machine.put(PHYSICAL + SECRET, b"S")
    rest.settle(witness, patience=3)
    assert rest.wrong == "secret at rest"


def test_settling_ends_where_nobody_is(rest: HandlerAtRest, machine: Machine) -> None:
    looks = []

    def read() -> None:
        looks.append(TALLY)
        rest.observe(TALLY)

    machine.put(OBJECTS + 8, bytes(8))
    rest.settle(cast("Any", SimpleNamespace(read=read)), patience=3)
    assert (rest.wrong, rest.unseen, len(looks)) == ("", NOBODY, 3)


def test_the_witnesss_variable_is_the_one_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "System.map").write_text(
        "ffffffff82000100 b objects\n"
        "ffffffff82340060 b chains\n"
        "ffffffff823401e0 b objects\n"
        "ffffffff82340260 b watched\n"
        "ffffffff82400000 b objects\n"
        "ffffffff82340261 b objects.0\n"
    )
    kernel = KernelImage("6.12", "key", tmp_path)
    assert beside_the_witness(kernel, "objects") == 0x23401E0
    assert beside_the_witness(kernel, "chains") == 0x2340060
