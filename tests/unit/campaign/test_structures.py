# SPDX-License-Identifier: GPL-2.0-only
"""Calls with a grammar of their own are sound, can be mutated, and can be written as C."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from harness.campaign.as_c import c_program
from harness.campaign.call_types import CallType
from harness.campaign.generate import Generator
from harness.campaign.mutate import mutated
from harness.campaign.program import Fact, Made, Pid, Program, Text, all_arguments, joined
from harness.campaign.structures import COMPOSED
from harness.campaign.wire import batch_bytes
from harness.guests.payloads import compile_attack

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = [0x402000]


def made(name: str, seed: int) -> Program:
    random = Random(seed)  # noqa: S311 - it is to be repeated
    return Program(tuple(COMPOSED[name](random, ADDRESSES, 0)))


@pytest.mark.parametrize("name", COMPOSED)
def test_they_name_processes_and_survive_mutation(name: str) -> None:
    programs = [made(name, seed) for seed in range(100)]
    assert any(Pid("handler") in all_arguments(program) for program in programs)
    random = Random(1)  # noqa: S311 - it is to be repeated
    generator = Generator([CallType(name, ())], ADDRESSES)
    programs += [mutated(generator, random, programs) for _ in range(100)]
    assert batch_bytes(programs)


def test_a_loaded_program_is_attached_wherever_it_stands() -> None:
    before = made("sched_setattr", 1)
    for seed in range(20):
        both = joined((before, made("bpf", seed)))
        assert both.calls[1].name == "bpf"
        assert Made(1) in all_arguments(both)
        assert Made(0) not in all_arguments(both)


def test_a_program_may_replace_the_result_of_a_function() -> None:
    programs = [made("bpf", seed) for seed in range(100)]
    probes = [one for one in programs if Text("__x64_sys_write") in all_arguments(one)]
    assert probes
    for one in probes:
        loaded, opened, attached = one.calls
        assert (loaded.name, opened.name, attached.name) == ("bpf", "perf_event_open", "ioctl")
        assert (attached.args[0], attached.args[2]) == (Made(1), Made(0))
        assert Fact("kprobe") in all_arguments(one)
    assert any(Pid("caller") in all_arguments(one) for one in programs)


def test_a_futex_may_lend_its_owner_a_real_time_priority() -> None:
    calls = [[call.name for call in made("futex", seed).calls] for seed in range(20)]
    assert ["futex"] in calls
    assert ["sched_setattr", "futex"] in calls


@pytest.mark.parametrize("name", COMPOSED)
def test_they_can_be_written_as_c(name: str, tmp_path: Path) -> None:
    source = tmp_path / "found.c"
    source.write_text(c_program(made(name, 3), about="a test"))
    compile_attack(source, tmp_path / "found")
