# SPDX-License-Identifier: GPL-2.0-only
"""The tally is parsed strictly: a malformed tally, or one of another version, is no evidence."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallies import HEAD, layout

from harness.host.errors import VmLost
from harness.host.paths import KERNEL_PATCHES
from harness.witness import layout as memory_layout
from harness.witness import tally
from harness.witness.handler import WayOut
from harness.witness.layout import MAGIC, NAMED, SIZE, VERSION
from harness.witness.tally import (
    Challenge,
    Escape,
    Hook,
    ReturnedCall,
    Seen,
    ServiceCounts,
    Violation,
    WitnessCommand,
    WitnessState,
    parse,
)

HEADER = KERNEL_PATCHES / "overlay/kernel/umd_witness/tally.h"


def test_every_field_is_read_from_its_place() -> None:
    parsed = parse(layout())
    assert parsed is not None
    assert (parsed.heartbeat, parsed.command, parsed.generation, parsed.pid) == (11, 13, 14, 15)
    assert (parsed.state, parsed.phase, parsed.vmforks) == (WitnessState.DONE, 3, 1)
    assert (parsed.slowest, parsed.page_table, parsed.chain) == (16, 17, 18)
    assert parsed.count == ServiceCounts(
        sent=0, right=1, wrong=2, failed=3, starts=4, loads=5, error=0
    )
    assert parsed.phases[2] == ServiceCounts(300, 301, 302, 303, 304, 305, -3)
    assert parsed.secrets_sha256 == (bytes(range(32)),)
    assert [record.wrong for record in parsed.records[:2]] == [False, True]
    assert (parsed.records[9].error, parsed.records[9].nanoseconds) == (-9, 9000)
    assert (parsed.exits, parsed.exit_code, parsed.demoted) == (21, -22, 26)
    assert replace(parsed.escape, calls=()) == Escape(23, 24, failed=28, exits=29, calls=())
    assert parsed.escape.calls[5] == ReturnedCall(45, compat=True, result=-5)
    assert parsed.named[2] == Seen(0x2000, 6, 8, 2, 4)
    assert parsed.challenge == Challenge(31, -32, b"c" * 32, b"q" * 56, b"r" * 56)
    assert parsed.hooks[0] == Hook(0x1000 * NAMED, NAMED, can_refuse=True)
    assert json.loads(json.dumps(parsed.as_json()))["state"] == "done"
    assert tally.heartbeat(layout(heartbeat=99, sequence=1)) == 99


@pytest.mark.parametrize("size", [0, 8, HEAD.size, SIZE - 1, SIZE + 1, 2 * SIZE])
def test_a_tally_of_another_length_is_none(size: int) -> None:
    with pytest.raises(VmLost, match=f"has {size} bytes, not {SIZE}"):
        parse((layout() * 2)[:size])


@pytest.mark.parametrize(
    "field",
    [
        {"magic": 0},
        {"magic": MAGIC + 1},
        {"version": 0},
        {"version": VERSION + 1},
        {"size": SIZE - 8},
        {"size": 0},
    ],
)
def test_what_is_no_tally_of_this_version_is_none(field: dict[str, int]) -> None:
    with pytest.raises(VmLost, match="not a tally: magic"):
        parse(layout(**field))


def test_a_torn_tally_is_read_again() -> None:
    assert parse(layout(sequence=13)) is None
    assert parse(layout(sequence=14)) is not None
    # A torn tally is detected first, so an invalid state in it is no error.
    assert parse(layout(sequence=13, state=77)) is None


@pytest.mark.parametrize("state", [5, 77, 2**32 - 1])
def test_a_state_that_is_none_is_no_evidence(state: int) -> None:
    with pytest.raises(VmLost, match=f"state is {state}"):
        parse(layout(state=state))


def test_a_violation_that_has_no_name_is_kept() -> None:
    parsed = parse(layout(violations=8 | Violation.TRACED))
    assert parsed is not None
    assert parsed.violations == Violation.TRACED | Violation(8)
    assert json.dumps(parsed.as_json())


@given(st.integers(0))
def test_random_memory_is_no_tally(seed: int) -> None:
    with pytest.raises(VmLost):
        parse(Random(seed).randbytes(SIZE))  # noqa: S311 - it keeps no secret


@given(st.integers(0), st.data())
def test_whatever_the_numbers_are_they_are_read(seed: int, data: st.DataObject) -> None:
    rest = Random(seed).randbytes(SIZE - HEAD.size)  # noqa: S311 - it keeps no secret
    words = {
        name: data.draw(st.integers(0, 2**32 - 1))
        for name in ("sequence", "violations", "generation", "phase", "command", "vmforks")
    }
    parsed = parse(layout(**words)[: HEAD.size] + rest)
    assert (parsed is None) == (words["sequence"] % 2 == 1)
    if parsed is not None:
        assert json.dumps(parsed.as_json())


def test_the_kernels_header_says_the_same() -> None:
    text = HEADER.read_text()
    defined = dict(re.findall(r"#define WITNESS_(\w+)\s+(\w+)", text))
    assert int(defined["MAGIC"].removesuffix("ULL"), 16) == MAGIC
    for name in ("VERSION", "PHASES", "RECORDS", "NAMED", "HOOKS"):
        assert int(defined[name]) == getattr(memory_layout, name)
    for state in WitnessState:
        if state is not WitnessState.BOOTING:
            assert f"WITNESS_{state.name} = {state.value}," in text
    for flag in Violation:
        assert f"WITNESS_{flag.name} = 1 << {flag.bit_length() - 1}," in text
    for command in WitnessCommand:
        name = "RUN_AFTERMATH" if command is WitnessCommand.AFTERMATH else command.name
        assert f"WITNESS_{name} = {command.value}," in text


def test_the_handlers_header_names_the_same_ways_out() -> None:
    text = HEADER.with_name("message.h").read_text()
    for way in WayOut:
        assert f"WITNESS_{way.name} = {way.value}," in text
