# SPDX-License-Identifier: GPL-2.0-only
"""Generated programs are the same for the same seed, sound, and of what the types say."""

from __future__ import annotations

from random import Random

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.call_types import CallType, Parameter
from harness.campaign.generate import Generator
from harness.campaign.mutate import mutated
from harness.campaign.program import CALLS_MAX, Made, Pid, Program, parts
from harness.campaign.resources import NEVER_MADE, sort
from harness.campaign.wire import batch_bytes


def a_type(name: str, *parameters: tuple[str, str]) -> CallType:
    return CallType(name, tuple(Parameter(*one) for one in parameters))


TYPES = (
    a_type("kill", ("pid_t", "pid"), ("int", "sig")),
    a_type("write", ("unsigned int", "fd"), ("const char *", "buf"), ("size_t", "count")),
    a_type("openat", ("int", "dfd"), ("const char *", "filename"), ("int", "flags")),
    a_type("pidfd_send_signal", ("int", "pidfd"), ("int", "sig"), ("siginfo_t *", "info")),
    a_type("readv", ("unsigned long", "fd"), ("const struct iovec *", "vec")),
    a_type("reboot", ("int", "magic1")),
    a_type("chown16", ("const char *", "filename")),
)
GENERATOR = Generator(TYPES, [0x402000])


def programs(seed: int, count: int = 200) -> list[Program]:
    random = Random(seed)  # noqa: S311 - it is to be repeated
    return [GENERATOR.program(random) for _ in range(count)]


def is_sound(program: Program) -> bool:
    """Whether each reference is to an earlier call."""
    return 0 < len(program.calls) <= CALLS_MAX and all(
        0 <= part.call < at
        for at, call in enumerate(program.calls)
        for argument in call.args
        for part in parts(argument)
        if isinstance(part, Made)
    )


def test_the_same_seed_makes_the_same_programs() -> None:
    assert programs(1) == programs(1)
    assert programs(1) != programs(2)


def test_programs_and_mutations_are_sound() -> None:
    made, random = programs(3), Random(4)  # noqa: S311 - it is to be repeated
    made += [mutated(GENERATOR, random, made) for _ in range(500)]
    assert all(map(is_sound, made))
    assert batch_bytes(made)


def test_calls_that_end_the_machine_or_have_no_number_are_not_made() -> None:
    names = {call.name for program in programs(5) for call in program.calls}
    assert "reboot" in NEVER_MADE
    assert "chown16" not in NUMBERS
    assert names <= {"kill", "write", "openat", "pidfd_send_signal", "readv", "pidfd_open"}


def test_a_pid_is_most_often_the_handlers() -> None:
    aimed = [
        call.args[0] == Pid("handler")
        for program in programs(6)
        for call in program.calls
        if call.name == "kill"
    ]
    assert sum(aimed) > len(aimed) / 2


def test_parameters_are_sorted_by_type_and_name() -> None:
    assert sort(Parameter("pid_t", "pid")) == "pid"
    assert sort(Parameter("int", "pidfd")) == "pidfd"
    assert sort(Parameter("const char *", "filename")) == "path"
    assert sort(Parameter("const char *", "buf")) == "text"
    assert sort(Parameter("struct rlimit64 *", "new")) == "memory"
    assert sort(Parameter("size_t", "n")) == "size"
    assert sort(Parameter("int", "flags")) == "number"
