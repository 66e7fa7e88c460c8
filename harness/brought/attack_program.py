# SPDX-License-Identifier: GPL-2.0-only
"""Attack programs that users bring: checked or compiled here, run in the guest as scenarios."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import NoTarget, ProgramFailed
from harness.attacker.agent.program import ProgramExit, run_program
from harness.guests.payloads import compile_attack, included_by
from harness.host.errors import UserError, mendable
from harness.scenarios import EVERY, Effect, scenario
from harness.vm.process import signal_name

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

SUCCESS, REFUSED, SKIPPED = 0, 1, 4
"""The exit statuses of a program, as in kselftest.h: KSFT_PASS, KSFT_FAIL, KSFT_SKIP."""

PROGRAM_SECONDS = 30
PROGRAM_SECONDS_MAX = 200
"""Three rounds of the program must end before the pool takes its worker for lost."""
NAME_MAX = 64
SIZE_MAX = 32 << 20
"""In bytes. The guest keeps the program in its memory, which has 256 MiB."""

_SLACK = 40.0  # seconds to put the program into the guest and to clean up after the program


def attack_program(
    path: Path,
    *,
    effect: Effect = Effect.INTEGRITY,
    reach: str | None = None,
    no_target: str | None = None,
    seconds: float = PROGRAM_SECONDS,
    **declared: Any,
) -> str:
    """Declare a scenario that runs a static x86-64 program, or a C file; return its name.

    The program runs as root in the guest, for at most `seconds` (docs/how-to/own-attack.md).
    `reach` names the kernel function that must see the handler before `held` counts. `no_target`
    names the function that must see the handler before exit status 4 (nothing to attack) counts.
    `declared` has further fields of the declaration. Raises UserError for a file that cannot be
    run.
    """
    name = _name_of(path)
    program = AttackProgram.load(path, seconds=seconds)

    def prepare(attacker: Attacker, handler: Handler) -> None:
        program.place(attacker)
        handler.note_start(attacker)

    def attack(attacker: Attacker, handler: Handler) -> str:
        ended = program.run(attacker, handler)
        for at in range(len(ended.output) - SECRET_SIZE + 1):
            attacker.show(ended.output[at : at + SECRET_SIZE])
        return _claim(name, ended, seconds=seconds, may_skip=no_target is not None)

    attack.__name__ = name
    attack.__doc__ = f"Run {path.name}, an attack program of the user's own."
    files = (path, *(included_by(path) if path.suffix == ".c" else ()))
    settled = {
        "surface": "own",
        "answers": (),
        "shows": "",
        "seconds": seconds + _SLACK,
        "files": tuple(map(str, files)),
    }
    scenario(
        effect=effect,
        reach=reach,
        no_target_at=no_target,
        prepare=prepare,
        **{**settled, **declared},
    )(attack)
    return name


def _name_of(path: Path) -> str:
    name = _plain(path)
    if name in EVERY or name in ("and", "or", "not"):
        raise UserError(
            f"{name} is the name of a scenario, or a word of -k",
            hint=f"give {path} another name",
        )
    return name


def _plain(path: Path) -> str:
    """Return the file's name with only the characters that a cell's id may have."""
    name = path.stem if path.suffix == ".c" else path.name
    return re.sub(r"[^\w.-]", "_", name)[:NAME_MAX]


@dataclass(frozen=True)
class AttackProgram:
    """A program that the guest can run, and the seconds that it may take."""

    name: str
    content: bytes
    seconds: float

    @classmethod
    def load(cls, path: Path, *, seconds: float = PROGRAM_SECONDS) -> AttackProgram:
        """Read the program, or compile it. Raises UserError for a file that cannot be run."""
        if not 0 < seconds <= PROGRAM_SECONDS_MAX:
            raise UserError(
                f"an attack program cannot have {seconds:g} s",
                hint=f"give it from 1 to {PROGRAM_SECONDS_MAX} s",
            )
        return cls(_plain(path), _content(path), seconds)

    @property
    def _path(self) -> str:
        return f"/tmp/{self.name}"  # noqa: S108 - a path in the guest

    def place(self, attacker: Attacker) -> None:
        """Put the program into the guest."""
        attacker.write_file(self._path, self.content, mode=0o755)

    def run(self, attacker: Attacker, handler: Handler) -> ProgramExit:
        """Run the program. Its environment names the handler."""
        told = {
            "UMD_HANDLER_PID": str(handler.pid),
            "UMD_HANDLER_START": str(handler.start),
            "UMD_HANDLER_ADDRESS": str(handler.state_address()),
        }
        return run_program(attacker, self._path, env=told, seconds=self.seconds)


def _claim(name: str, ended: ProgramExit, *, seconds: float, may_skip: bool) -> str:
    """Return what the program claims. Raises NoTarget or ProgramFailed if no attack was made."""
    if ended.status is None:
        raise ProgramFailed(f"{name} did not end within {seconds:g} s")
    if os.WIFSIGNALED(ended.status):
        died = signal_name(-os.WTERMSIG(ended.status))
        raise ProgramFailed(f"{name} died of {died}{_last_words(ended)}")
    status = os.WEXITSTATUS(ended.status)
    if status == SUCCESS:
        return "it claims success"
    if status == REFUSED:
        return "it says that it was refused"
    if status != SKIPPED:
        raise ProgramFailed(f"{name} ended with {status}{_last_words(ended)}")
    if may_skip:
        raise NoTarget(f"it says that it skipped{_last_words(ended)}")
    raise ProgramFailed(f"{name} says that it skipped{_last_words(ended)}")


def _last_words(ended: ProgramExit) -> str:
    """Return the last line that the program printed, unescaped."""
    lines = ended.output.decode(errors="backslashreplace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:100]}" if last else ""


def _content(path: Path) -> bytes:
    """Return the program's bytes. Raises UserError for a file that is no program, or no valid C."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UserError(
            f"there is no attack program {path}: {error.strerror}",
            hint="name a static program or a C file",
        ) from error
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is not a regular file", hint="name a static program or a C file")
    try:
        if path.suffix != ".c":
            return _checked(path, mode)
        with tempfile.TemporaryDirectory(prefix="umd-attack-") as scratch:
            target = Path(scratch) / "attack"
            compile_attack(path, target)
            return _checked(target, target.stat().st_mode)
    except OSError as error:
        told = mendable(error)
        raise told or UserError(
            f"{path}: {error.strerror}", hint="name a static program or a C file"
        ) from error


def _checked(path: Path, mode: int) -> bytes:
    if path.stat().st_size > SIZE_MAX:
        raise UserError(
            f"{path} has more than {SIZE_MAX >> 20} MiB", hint="strip it, or make it smaller"
        )
    content = path.read_bytes()
    if content.startswith(b"#!"):
        raise UserError(
            f"{path} is a script, which the guest cannot run",
            hint="write it in C, or as a scenario in Python (--scenario)",
        )
    if wrong := _wrong_with(path):
        raise UserError(f"{path} {wrong[0]}", hint=wrong[1])
    if not mode & 0o111:
        raise UserError(f"{path} is not executable", hint=f"chmod +x {path}")
    return content


def _wrong_with(path: Path) -> tuple[str, str] | None:
    """Return why the guest cannot run the file, and what to do; None if it can."""
    build = "build it for x86-64: gcc -static"
    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
            segments = {segment["p_type"] for segment in elf.iter_segments()}
        except (ELFError, ValueError, KeyError):
            return "is not a program (ELF), or is damaged", build
        if elf["e_machine"] != "EM_X86_64" or elf.elfclass != 64:
            return f"is a program for {elf.get_machine_arch()}, not for x86-64", build
        if elf["e_type"] not in ("ET_EXEC", "ET_DYN") or "PT_LOAD" not in segments:
            return "is not a program but another kind of ELF file", "link it: gcc -static"
        if "PT_INTERP" in segments:
            return (
                "is linked dynamically, and the guest has no libraries",
                "link it statically: gcc -static",
            )
    return None
