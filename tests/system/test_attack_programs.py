# SPDX-License-Identifier: GPL-2.0-only
"""Attack programs in real guests: whatever they do and claim, the witness decides the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.brought.attack_program import PROGRAM_SECONDS_MAX, attack_program
from harness.host.paths import CHECKOUT
from harness.judge.conclusion import conclude
from harness.judge.controls import closure
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict
from harness.scenarios import Effect
from harness.scenarios.registry import collecting

if TYPE_CHECKING:
    from pathlib import Path

    from harness.lab.lab import Lab

OVERWRITE = CHECKOUT / "tests" / "example_repository" / "overwrite.c"
REACH = "security_ptrace_access_check"
NO_TARGET = "mm_access"

INCLUDES = """
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
"""


@dataclass(frozen=True)
class Programs:
    """Runs attack programs, each in a corpus of its own."""

    lab: Lab
    folder: Path

    def written(self, body: str) -> Path:
        """Write a C file with this main(), and return its path."""
        source = self.folder / "made_up.c"
        source.write_text(f"{INCLUDES}\nint main(void)\n{{\n{body}\n}}\n")
        return source

    def declared(self, source: Path, **declared: Any) -> tuple[Lab, str]:
        """A lab whose corpus has the program as a scenario, and that scenario's name."""
        with collecting() as found:
            name = attack_program(source, **declared)
        return replace(self.lab, corpus=self.lab.corpus.with_scenarios(found)), name

    def run(self, body: str, variant: str = "baseline", **declared: Any) -> Outcome:
        """Run a program with this main() in a new machine."""
        usual: dict[str, Any] = {"reach": REACH, "no_target": NO_TARGET, "seconds": 60}
        lab, name = self.declared(self.written(body), **{**usual, **declared})
        return lab.run(Cell(lab.line, variant, name))


@pytest.fixture
def programs(lab: Lab, tmp_path: Path) -> Programs:
    return Programs(lab, tmp_path)


def output(outcome: Outcome) -> str:
    said = outcome.attempt[-1]["output"]
    assert isinstance(said, str)
    return said


def check_last_try(outcome: Outcome) -> None:
    """Check that it took no longer than a cell may, by as much as a busy host delayed it."""
    assert outcome.seconds < 60 * max(1, outcome.witness.get("delay", 1))


def of_handler(name: str, flags: str) -> str:
    """Opens a file of the handler's in /proc as `file`."""
    return f"""
    char path[64];
    int file;
    snprintf(path, sizeof(path), "/proc/%s/{name}", getenv("UMD_HANDLER_PID"));
    file = open(path, {flags});
"""


def test_one_attack_wins_where_it_must_and_holds_where_it_must(programs: Programs) -> None:
    lab, name = programs.declared(OVERWRITE, reach=REACH, no_target=NO_TARGET)
    line = lab.line
    chosen = [Cell(line, variant, name) for variant in ("isolated", "kthread")]
    outcomes = {cell: lab.run(cell) for cell in closure(lab.corpus, chosen)}
    control = outcomes[Cell(line, "baseline", name)]
    assert control.verdict is Verdict.TAMPERED
    assert str(control.attempt_end) == "completed: it claims success"
    for result in (conclude(lab.corpus, cell, outcomes) for cell in chosen):
        assert (result.verdict, result.ok) == (Verdict.HELD, True), result.detail
        assert result.detail == "no target: it says that it skipped: mem: No such process"


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
def test_it_is_told_who_the_handler_is(programs: Programs, variant: str) -> None:
    """And what is read to tell it is not taken for its own reach."""
    own = """
    char line[512], *at;
    FILE *file;
    snprintf(line, sizeof(line), "/proc/%s/stat", getenv("UMD_HANDLER_PID"));
    file = fopen(line, "r");
    fgets(line, sizeof(line), file);
    at = strrchr(line, ')');
    for (int field = 3; field <= 22; field++)
        at = strchr(at + 1, ' ');
    *strchr(at + 1, ' ') = 0;
    printf("%d %s %s\\n", strcmp(at + 1, getenv("UMD_HANDLER_START")), at + 1, line);
    return 1;
"""
    told = programs.run(own, variant)
    same, start, *_ = output(told).split()
    assert (same, int(start) > 0) == ("0", True), output(told)
    assert told.verdict is Verdict.HELD
    assert told.witness["reached"] > 0, "it looked at stat, of which ptrace's check is asked"


def test_who_does_nothing_and_claims_success_wins_nothing(programs: Programs) -> None:
    source = programs.written("return 0;")
    lab, name = programs.declared(source, reach=REACH, no_target=NO_TARGET, seconds=60)
    cell = Cell(lab.line, "isolated", name)
    outcomes = {needed: lab.run(needed) for needed in closure(lab.corpus, [cell])}
    alone = outcomes[cell]
    assert (alone.verdict, alone.witness["reached"]) == (Verdict.ERROR, 0)
    assert alone.detail == "the attack never reached the handler in the kernel"
    result = conclude(lab.corpus, cell, outcomes)
    assert (result.verdict, result.control_verdict) == (Verdict.ERROR, Verdict.ERROR)


def test_without_a_function_to_reach_held_cannot_be_shown(programs: Programs) -> None:
    looked = of_handler("mem", "O_RDONLY") + "return 1;"
    outcome = programs.run(looked, "isolated", reach=None, no_target=None)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.detail == "the attack never reached the handler in the kernel"


def test_who_reaches_and_claims_success_wins_nothing(programs: Programs) -> None:
    outcome = programs.run(of_handler("mem", "O_RDONLY") + "return 0;")
    assert outcome.verdict is Verdict.HELD
    assert outcome.detail == "no effect, reached 1 x, it claims success"


def test_who_wins_and_claims_a_refusal_has_won(programs: Programs) -> None:
    source = OVERWRITE.read_text().replace("SUCCESS, REFUSED,", "NEVER, SUCCESS, REFUSED = 1,")
    (programs.folder / "liar.c").write_text(source)
    lab, name = programs.declared(programs.folder / "liar.c", reach=REACH)
    outcome = lab.run(Cell(lab.line, "baseline", name))
    assert (outcome.verdict, outcome.carried_out) == (Verdict.TAMPERED, True)
    assert str(outcome.attempt_end) == "completed: it says that it was refused"


def test_a_secret_counts_wherever_it_is_printed(programs: Programs) -> None:
    shown = (
        of_handler("mem", "O_RDONLY")
        + """
    static char secret[4096];
    unsigned long start, end;
    char line[256];
    FILE *maps;
    snprintf(path, sizeof(path), "/proc/%s/maps", getenv("UMD_HANDLER_PID"));
    maps = fopen(path, "r");
    printf("Behold:\\n");
    while (fgets(line, sizeof(line), maps)) {
        sscanf(line, "%lx-%lx", &start, &end);
        if (strstr(line, " rw-p ") && pread(file, secret, sizeof(secret), start) > 0)
            fwrite(secret, sizeof(secret), 1, stdout);
    }
    return 0;
"""
    )
    outcome = programs.run(shown, effect=Effect.CONFIDENTIALITY)
    assert (outcome.verdict, outcome.carried_out) == (Verdict.LEAKED, True)


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("return 4;", "made_up says that it skipped"),
        ('puts("SKIP: no such device"); return 4;', "made_up says that it skipped: SKIP: no such"),
        ('puts("usage: \\033[2J"); return 3;', "made_up ended with 3: usage: \x1b[2J"),
        ("abort();", "made_up died of SIGABRT"),
        ("execl(path, path, NULL); return 127;", "made_up ended with 127"),
        ("for (;;) pause();", "made_up did not end within 2 s"),
        ("for (;;) ;", "made_up did not end within 2 s"),
        ("for (;;) puts(path);", "made_up did not end within 2 s"),
        ("for (;;) if (!fork()) setsid();", "made_up did not end within 2 s"),
        ("for (;;) memset(malloc(1 << 20), 1, 1 << 20);", "made_up d"),
    ],
    ids=[
        *("skips", "skips-and-says", "fails", "crashes", "no-exec"),
        *("sleeps", "spins", "floods", "forks", "eats"),
    ],
)
def test_no_such_end_is_one_of_an_attack(programs: Programs, body: str, end: str) -> None:
    """It reaches the handler, so that only its end prevents `held`."""
    opened = of_handler("mem", "O_RDONLY") + body
    outcome = programs.run(opened, seconds=2 if "for" in body else 30, no_target=None)
    check_last_try(outcome)
    assert end in str(outcome.attempt_end)
    assert not outcome.carried_out
    assert outcome.verdict in (Verdict.ERROR, Verdict.DISRUPTED), "disrupted: it takes the CPU"
    if outcome.verdict is Verdict.ERROR and not outcome.retry:  # else the host was too busy
        assert outcome.detail.startswith(f"the attack was not carried through: {end}")


def test_a_gigabyte_of_output_is_not_kept(programs: Programs) -> None:
    body = (
        of_handler("mem", "O_RDONLY")
        + """
    static char much[1 << 20];
    memset(much, 'x', sizeof(much));
    for (int i = 0; i < 1024; i++)
        for (int done = 0; done < sizeof(much); )
            done += write(1, much + done, sizeof(much) - done);
    return 0;
"""
    )
    outcome = programs.run(body, seconds=PROGRAM_SECONDS_MAX)
    assert str(outcome.attempt_end) == "completed: it claims success"
    assert outcome.verdict is Verdict.HELD
    last = outcome.attempt[-1]
    assert (len(last["output"]), last["discarded_bytes"]) == (64 << 10, (1 << 30) - (64 << 10))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("kill(getppid(), SIGKILL); pause();", "the agent has ended"),
        ("kill(getppid(), SIGSTOP); pause();", "the agent gave no answer before its deadline"),
        (
            "struct sched_param most = {99}; sched_setscheduler(0, SCHED_FIFO, &most); for (;;) ;",
            "",
        ),
    ],
    ids=["kills", "stops", "starves"],
)
def test_who_takes_the_agent_along_gets_no_verdict(programs: Programs, body: str, why: str) -> None:
    outcome = programs.run(body, seconds=2)
    check_last_try(outcome)
    assert outcome.verdict in (Verdict.ERROR, Verdict.DISRUPTED)
    if why:
        assert outcome.verdict is Verdict.ERROR
        assert outcome.detail == f"while /tmp/made_up ran: {why}"


def test_what_it_leaves_running_goes_on_in_the_aftermath(programs: Programs) -> None:
    """A child of its own stops whatever starts after it, the next handler, too, for good."""
    body = (
        of_handler("mem", "O_RDONLY")
        + """
    if (fork())
        return 0;
    for (int next = 1;; next = next % 64 + 1)
        kill(getpid() + next, SIGSTOP);
"""
    )
    outcome = programs.run(body, effect=Effect.AVAILABILITY)
    assert (outcome.verdict, outcome.carried_out) == (Verdict.DISRUPTED, True)


def test_a_program_without_a_library_runs_as_well(programs: Programs) -> None:
    source = programs.folder / "bare.c"
    source.write_text(
        '#include "bare.h"\nint main(int c, char **v, char **e) { sys(1, 1, *e, 15); return 1; }\n'
    )
    lab, name = programs.declared(source)
    outcome = lab.run(Cell(lab.line, "baseline", name))
    assert output(outcome) == "UMD_HANDLER_PID"
