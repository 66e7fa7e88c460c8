# SPDX-License-Identifier: GPL-2.0-only
"""A finding as a scenario file that `--scenario` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.campaign.inside import NOT_ON_THREADS, inside_call
from harness.campaign.program import (
    PAGE,
    PLACE,
    Data,
    Fact,
    Made,
    Number,
    Pid,
    Program,
    Room,
    Text,
    all_arguments,
    names,
)
from harness.campaign.resources import in_scratch_cgroup
from harness.model.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.campaign.finding import Finding
    from harness.campaign.inside import InsideCall
    from harness.campaign.program import Argument

EFFECTS = {
    Verdict.TAMPERED: Effect.INTEGRITY,
    Verdict.DISRUPTED: Effect.AVAILABILITY,
    Verdict.LEAKED: Effect.CONFIDENTIALITY,
    Verdict.ERROR: Effect.AVAILABILITY,
}
"""The effect of an attack, by its verdict. A finding with `error` is a fault of the kernel."""
_NAMED = {
    "handler": "handler.pid",
    "group": "-handler.pid",
    "kthreadd": "2",
    "init": "1",
    "everyone": "-1",
    "bystander": "attacker.fork()",
    "address": 'handler.physical("chain")',
    "frame": f'handler.physical("chain") // {PAGE}',
}
_BY_CALLS = '''\
# SPDX-License-Identifier: GPL-2.0-only
"""Found by umd-harness campaign."""

from harness.scenarios import Effect, scenario


def tried(attacker, call, *args):
    """Make a call that may fail; return its result, or -1."""
    try:
        return attacker.syscall(call, *args)
    except OSError:
        return -1


@scenario(effect=Effect.{effect}, surface="own", answers=(), call="{last}")
def {name}(attacker, handler):
    """{about}"""
{body}
'''
_BY_HANDLER = '''\
# SPDX-License-Identifier: GPL-2.0-only
"""Found by umd-harness campaign. The handler itself makes the calls, taken over by an attacker."""

from harness.scenarios import Effect, scenario


@scenario(
    effect=Effect.{effect},
    surface="own",
    answers=(),
    inside=True,
    not_applicable={{"kthread": "{not_on_threads}"}},
)
def {name}(attacker, handler):
    """{about}"""
    handler.take_over()
{body}
'''
_BY_PROGRAM = '''\
# SPDX-License-Identifier: GPL-2.0-only
"""Found by umd-harness campaign. The calls need memory that refers to memory: C makes them."""

from pathlib import Path

from harness.brought.attack_program import attack_program
from harness.scenarios import Effect

attack_program(Path(__file__).with_name("{program}"), effect=Effect.{effect})
'''


def scenario_file(finding: Finding, *, name: str, program: str, about: str) -> str:
    """Return the file. `program` is the name of the finding's C program beside it."""
    effect = EFFECTS[finding.verdict].name
    if finding.program.inside:
        made = map(inside_call, finding.program.calls)
        body = "\n".join(f"    handler.make_call({_told(call)})" for call in made)
        return _BY_HANDLER.format(
            effect=effect, name=name, about=about, body=body, not_on_threads=NOT_ON_THREADS
        )
    if not _is_plain(finding.program):
        return _BY_PROGRAM.format(program=program, effect=effect)
    lines = []
    calls = finding.program.calls
    for at, call in enumerate(calls):
        args = "".join(f", {_value(argument)}" for argument in call.args)
        if at + 1 < len(calls):
            lines.append(f'    made_{at} = tried(attacker, "{call.name}"{args})')
        else:
            lines.append(f'    attacker.syscall("{call.name}"{args})')
    return _BY_CALLS.format(
        effect=effect, last=calls[-1].name, name=name, about=about, body="\n".join(lines)
    )


def _told(call: InsideCall) -> str:
    """Return the arguments of `Handler.make_call`."""
    words = [str(call.number), *map(str, call.arguments)]
    return ", ".join([*words, "is_compat=True"] if call.is_compat else words)


def _is_plain(program: Program) -> bool:
    """Whether the agent can make the calls itself, and not a process of the program's own."""
    for argument in all_arguments(program):
        if isinstance(argument, Text) and in_scratch_cgroup(argument.text):
            return False
        if isinstance(argument, Data) and any(
            isinstance(field, (Text, Room, Data)) for _, _, field in argument.fields
        ):
            return False
    return not program.stays and names(program) <= _NAMED.keys()


def _value(argument: Argument) -> str:
    match argument:
        case Number(value):
            return str(value)
        case Pid(name) | Fact(name):
            return _NAMED[name]
        case Made(call):
            return f"made_{call}"
        case Room(size):
            return f"bytearray({max(size, 1)})"
        case Text(text):
            return _text(text)
        case Data(content, fields, _):
            return _data(content, fields)


def _text(text: str) -> str:
    if not PLACE.search(text):
        return repr(text)
    inside = PLACE.sub(lambda at: "{" + _NAMED[at[1]] + "}", text)
    return f"f{inside!r}"


def _data(content: bytes, fields: tuple[tuple[int, int, Argument], ...]) -> str:
    """Return the bytes as an expression: what lies between the fields, and the fields."""
    pieces, at = [], 0
    for offset, width, field in sorted(fields, key=lambda one: one[0]):
        if offset < at:
            continue  # an earlier field covers it
        if offset > at:
            pieces.append(repr(content[at:offset]))
        mask = (1 << 8 * width) - 1
        pieces.append(f'(({_value(field)}) & {mask:#x}).to_bytes({width}, "little")')
        at = offset + width
    if at < len(content) or not pieces:
        pieces.append(repr(content[at:]))
    return " + ".join(pieces)
