# SPDX-License-Identifier: GPL-2.0-only
"""The command line as a process of its own: what it runs, keeps, prints and returns."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from command_line import (
    DEADLINE,
    command,
    latest,
    umd_harness,
)
from small_corpus import AS_EXPECTED, CELLS, POLICIES

from harness.engines import ENGINES
from harness.judge.cells import all_cells
from harness.model.engine_names import DEFAULT_ENGINE
from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED

USERS_FILE = """
from errno import EPERM
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="own", answers=("T1",), call="kill", refused=(EPERM,))
def mine(attacker, handler):
    '''Do what I think of.'''
    attacker.kill(handler.pid, 9)
"""


def test_all_as_expected_is_0_and_all_is_kept(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = done.stdout.splitlines()
    assert out[0].startswith("28 cells (7 scenarios on 4 variants of 6.12), ")
    assert out[-1] == AS_EXPECTED
    header, lines = latest(tmp_path)
    assert len(lines) == CELLS
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(set(header["selected"]))
    assert (header["exit_status"], header["line"], header["image"]) == (0, "6.12", "0123abcd")
    assert header["started"] <= header["finished"]
    assert header["counts"]["not_run"] == 0
    names = {path.name for path in (tmp_path / "results/latest").resolve().iterdir()}
    assert names == {"cells", "results.jsonl", "run.json", "junit.xml", "matrix.txt", "report.html"}


def test_how_the_machines_boot_is_the_users_choice_and_kept(tmp_path: Path) -> None:
    cells = ("run", "--variant", "baseline", "-k", "nothing")
    for engine in ENGINES:
        assert umd_harness(tmp_path, *cells, "--engine", engine).returncode == 0
        assert latest(tmp_path)[0]["engine"] == engine
    refused = umd_harness(tmp_path, *cells, "--engine", "bochs")
    assert refused.returncode == 2
    assert (
        "--engine: there is no value 'bochs'; take one of: microvm, virtme, image" in refused.stderr
    )


def test_the_whole_corpus_is_as_expected_and_each_cell_runs_once(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", whole=True)
    assert done.returncode == 0, done.stderr
    out, cells = done.stdout.splitlines(), sorted(cell.id for cell in all_cells(SHIPPED))
    assert len(cells) > CELLS
    kinds = f"{len(SCENARIOS)} scenarios on {len(VARIANTS)} variants of 6.12"
    assert out[0].startswith(f"{len(cells)} cells ({kinds}), ")
    counted = f"{len(cells)} cells: {len(cells)} as expected, 0 unexpected, 0 errors, "
    assert out[-1].startswith(counted)
    assert sum(not line.startswith("[") for line in out) <= 60 + len(("the plan", "the build"))
    assert sorted((tmp_path / "ran").read_text().split()) == cells
    header, lines = latest(tmp_path)
    assert sorted(header["selected"]) == cells
    assert len(lines) == len(cells)
    assert (tmp_path / "results/latest/report.html").stat().st_size < 3_000_000


def test_one_cell_is_chosen_and_what_it_rests_on_comes_along(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "--variant", "isolated", "-k", "proc_mem_write")
    assert done.returncode == 0
    header, lines = latest(tmp_path)
    assert header["selected"] == ["6.12-isolated-proc_mem_write"]
    assert header["opened_for"] == ["baseline", "isolated"]
    assert len(lines) == 6
    words = ["run", "-k", "proc_mem_write", "--variant", "isolated"]
    assert header["arguments"] == words


def test_only_what_is_not_as_expected_is_printed_during_the_run_and_at_its_end(
    tmp_path: Path,
) -> None:
    done = umd_harness(tmp_path, "run", "--only-problems", script=f"{{{LOST}}}")
    assert done.returncode == 1
    first, built, during, *end = done.stdout.splitlines()
    assert first.startswith(f"{CELLS} cells ")
    assert built == "kernel: 1/2 objects"
    assert "6.12-isolated-proc_mem_write ! tampered, expected held: chain" in during
    assert end[0] == "Not as expected:"
    assert [line.split()[0] for line in end[3:]] == [
        "median",
        "results:",
        "matrix:",
        "report:",
        "28",
    ]
    assert done.stdout.count("proc_mem_write") == 3
    assert "host_tamper" in (tmp_path / "results/latest/matrix.txt").read_text()


LOST = "('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'chain')"
ERROR = "('kthread', 'ptrace_seize'): outcome(Verdict.ERROR, 'gone')"


@pytest.mark.parametrize(("script", "status"), [(LOST, 1), (ERROR, 2), (f"{LOST}, {ERROR}", 2)])
def test_the_exit_status_and_the_rerun_line(tmp_path: Path, script: str, status: int) -> None:
    done = umd_harness(tmp_path, "run", script=f"{{{script}}}")
    assert done.returncode == status
    assert latest(tmp_path)[0]["exit_status"] == status
    if LOST in script:
        assert "    umd-harness run --variant isolated -k proc_mem_write\n" in done.stdout


@pytest.mark.parametrize("engine", ENGINES)
def test_the_rerun_line_names_the_engine_unless_it_is_the_default(
    tmp_path: Path, engine: str
) -> None:
    words = ("run", "-k", "proc_mem_write", "--engine", engine)
    done = umd_harness(tmp_path, *words, script=f"{{{LOST}}}")
    given = "" if engine == DEFAULT_ENGINE else f"--engine {engine} "
    again = f"umd-harness run {given}--variant isolated -k proc_mem_write"
    assert f"    {again}\n" in done.stdout
    assert again in (tmp_path / "results/latest/junit.xml").read_text()


def test_of_a_cell_that_failed_the_dump_is_told_or_why_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(b"symbols")
    gone = "('kthread', 'ptrace_seize'): outcome(Verdict.ERROR, undumped='the machine is gone')"
    done = umd_harness(tmp_path, "run", "--keep", "vmcore", script=f"{{{LOST}, {gone}}}")
    assert done.returncode == 2
    [run] = (tmp_path / "results").glob("2*")
    dump = f"results/{run.name}/cells/6.12-isolated-proc_mem_write/vmcore"
    assert f"    drgn -c {dump} -s results/{run.name}/vmlinux\n" in done.stdout
    assert "    no vmcore: the machine is gone\n" in done.stdout
    assert list(run.glob("cells/*/vmcore")) == [tmp_path / dump]
    assert (run / "vmlinux").read_bytes() == b"symbols"


def test_dumps_that_nothing_could_open_are_not_taken(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "--keep", "vmcore", script=f"{{{LOST}}}")
    assert done.returncode == 2
    assert done.stderr == "umd-harness: the vmlinux of baseline is gone; build it again\n"
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "results").exists()


def test_a_user_error_ends_the_run_with_one_line_and_keeps_the_rest(tmp_path: Path) -> None:
    broken = "{('isolated', 'host_tamper'): UserError('QEMU is gone', hint='install it')}"
    done = umd_harness(tmp_path, "run", "--jobs", "1", script=broken)
    assert done.returncode == 2
    assert done.stderr == "umd-harness: QEMU is gone; install it\n"
    header, lines = latest(tmp_path)
    assert 0 < len(lines) < CELLS
    assert header["error"] == "QEMU is gone; install it"
    assert header["exit_status"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "-k", "nothnig"], "did you mean nothing?"),
        (["run", "--variant", "seccomp"], "there is no variant 'seccomp'"),
        (["run", "--scenario", "absent.py"], "there is no scenario file"),
        (["run", "--attack", "absent"], "there is no attack program absent"),
        (["run", "--attack", "."], ". is not a regular file"),
        (
            ["run", "--effect", "integrity"],
            "--effect needs an attack program; name the program with",
        ),
        (["run", "--attack", "a", "--attack-reach", "a b"], "'a b' is not the name of a kernel"),
        (["run", "--attack", "a", "--attack-timeout", "0"], "0 is not a whole number from 1 on"),
        (["run", "--jobs", "0"], "0 is not a whole number from 1 on"),
        (["run", "--line", "0.99"], "there is no kernel line 0.99; take "),
        (["bench", "-n", "3"], "3 measurements are too few"),
        (["bench", "-n", "5", "--round-trip"], "5 pairs of machines are too few; take -n 6"),
        (["bench", "--output", "absent/x.json"], "absent/x.json is in a directory that does not"),
        (["bench", "--output", "."], ". is a directory"),
    ],
    ids=[
        "-k",
        "--variant",
        "file",
        "program",
        "folder",
        "none",
        "function",
        "timeout",
        "--jobs",
        "--line",
        "bench",
        "pairs",
        "no directory",
        "directory",
    ],
)
def test_a_users_mistake_is_one_line_and_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = umd_harness(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("def x(:\n", "mine.py:1: SyntaxError"),
        ("import errno\n\nimport nowhere\n", "mine.py:3: ModuleNotFoundError"),
        ("x = 1\n", "declares no scenario"),
        (USERS_FILE.replace("def mine", "def nothing"), "there is a scenario nothing already"),
        (
            USERS_FILE.replace('answers=("T1",)', 'answers=(), control="x"'),
            "the unknown variant 'x'",
        ),
    ],
    ids=["syntax", "import", "empty", "twice", "variant"],
)
def test_a_faulty_file_of_attacks_is_told_by_its_line(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(content)
    done = umd_harness(tmp_path, "run", "--scenario", "mine.py")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_users_attack_runs_like_ours(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(USERS_FILE)
    lost = "{('isolated', 'mine'): outcome(Verdict.TAMPERED)}"
    done = umd_harness(tmp_path, "run", "--scenario", "mine.py", "-k", "mine", script=lost)
    assert done.returncode == 1
    assert "Do what I think of." in done.stdout
    assert "run --variant isolated -k mine --scenario mine.py\n" in done.stdout
    listed = umd_harness(tmp_path, "list", "--scenario", "mine.py").stdout
    assert "mine  (effect integrity, surface own, answers T1)" in listed


@pytest.mark.parametrize("option", ["--scenario", "--attack"], ids=["python", "program"])
def test_what_is_brought_runs_alone_unless_an_expression_chooses(
    tmp_path: Path, option: str
) -> None:
    name = {"--scenario": "mine.py", "--attack": "mine.c"}[option]
    (tmp_path / "mine.py").write_text(USERS_FILE)
    (tmp_path / "mine.c").write_text("int main(void) { return 1; }\n")
    alone = umd_harness(tmp_path, "run", option, name)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    _, lines = latest(tmp_path)
    assert {line["scenario"] for line in lines} == {"mine", "nothing", "host_tamper"}
    assert len(lines) == 3 * len(POLICIES)
    umd_harness(tmp_path, "run", option, name, "-k", "ptrace_seize or mine")
    header, lines = latest(tmp_path)
    chosen = {"mine", "ptrace_seize"}
    assert {line["scenario"] for line in lines} == {*chosen, "nothing", "host_tamper"}
    assert header["scenario_files"] == [name]


def test_what_is_brought_runs_beside_what_the_expression_matches(tmp_path: Path) -> None:
    (tmp_path / "mine.c").write_text("int main(void) { return 1; }\n")
    chosen = ("-k", "ptrace_seize", "--variant", "isolated")
    done = umd_harness(tmp_path, "run", *chosen, "--attack", "mine.c")
    assert done.returncode == 0, done.stdout + done.stderr
    header, _ = latest(tmp_path)
    assert header["selected"] == ["6.12-isolated-ptrace_seize", "6.12-isolated-mine"]


def test_what_is_brought_and_not_run_is_named(tmp_path: Path) -> None:
    other = USERS_FILE.partition("@")[1:]
    (tmp_path / "mine.py").write_text(USERS_FILE + "".join(other).replace("mine(", "other("))
    for words in (["run"], ["repeat", "-n", "1"]):
        done = umd_harness(tmp_path, *words, "--scenario", "mine.py", "-k", "mine")
        assert done.stdout.startswith("not run, because -k matches others of the file: other\n")


def test_the_line_that_reruns_an_attack_says_all_that_was_said_of_it(tmp_path: Path) -> None:
    (tmp_path / "mine.c").write_text("int main(void) { return 1; }\n")
    lost = "{('isolated', 'mine'): outcome(Verdict.DISRUPTED)}"
    said = (
        *("--attack", "mine.c", "--effect", "availability"),
        *("--attack-reach", "security_task_kill", "--attack-timeout", "5"),
    )
    done = umd_harness(tmp_path, "run", *said, script=lost)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"run --variant isolated -k mine {' '.join(said)}\n" in done.stdout


def test_a_run_whose_reader_leaves_goes_on_and_is_kept(tmp_path: Path) -> None:
    piped = ["sh", "-c", '"$@" | head -n 3', "sh", *command(["run"], takes=0.05)]
    done = subprocess.run(
        piped, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == ""
    header, lines = latest(tmp_path)
    assert len(lines) == CELLS
    assert header["exit_status"] == 0


def test_a_full_disk_prints_all_and_ends_with_2(tmp_path: Path) -> None:
    limited = textwrap.dedent(
        """
        import os, resource, sys
        resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))
        os.execv(sys.executable, sys.argv[1:])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, *command(["run"])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 2
    assert f"{CELLS} cells: {CELLS} as expected" in done.stdout
    assert "some results could not be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_line_of_a_run_and_the_list_come_at_once(tmp_path: Path) -> None:
    """With less than thrice the CPU time that the import of the corpus takes, on any host."""
    corpus = [sys.executable, "-c", "import harness.scenarios; print(1, flush=True); input()"]
    usual = min(_cpu_ticks_to_first_line(tmp_path, corpus) for _ in range(3))
    for arguments in (["run", "-k", "nothing"], ["list"]):
        run = command(arguments, takes=0.1)
        fastest = min(_cpu_ticks_to_first_line(tmp_path, run) for _ in range(3))
        assert fastest < 3 * usual


def _cpu_ticks_to_first_line(where: Path, argv: list[str]) -> int:
    """CPU time in clock ticks, in user and kernel mode (proc(5), fields 14 and 15 of stat)."""
    with subprocess.Popen(
        argv, cwd=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        process.communicate(b"\n", timeout=DEADLINE)
    return sum(map(int, fields[11:13]))


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -n 1; exit 0', "sh", *command(["list"] * 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.stderr == ""


def test_bench_prints_both_medians_and_their_ratio(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "bench", "-n", "7")
    assert done.returncode == 0, done.stderr
    *_, every, trips, _ = done.stdout.splitlines()
    assert every.startswith("all cells ")
    assert "saved state 0.250 s  boot-plus-run 2.000 s  ratio 0.125  (medians of 21" in every
    assert trips.startswith("round trip of 4 KiB ")
    assert "ratio 1.025 (1.025 to 1.025), within 1.10" in trips


def test_bench_keeps_its_figures(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "bench", "-n", "8", "--output", "figures.json")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*figures*")] == ["figures.json"]
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert (kept["schema"], kept["line"], kept["facts"]["image"]) == (1, "6.12", "0123abcd")
    assert len(kept["round_trip"]["pairs"]) == 8
    assert kept["round_trip"]["ratio"] == 1.025
    assert kept["cells"][-1]["name"] == "all cells"
    assert kept["cells"][-1]["saved_seconds"] == [0.25] * 24


def test_bench_of_the_round_trips_alone_runs_no_cell(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "bench", "--round-trip", "--output", "figures.json")
    assert done.returncode == 0, done.stderr
    assert "boot-plus-run" not in done.stdout
    assert not (tmp_path / "ran").exists()
    assert "cells" not in json.loads((tmp_path / "figures.json").read_text())


def test_bench_of_trips_that_take_too_long_ends_with_1(tmp_path: Path) -> None:
    done = umd_harness(
        tmp_path, "bench", "--round-trip", "--output", "figures.json", isolated_us=222
    )
    assert done.returncode == 1, done.stderr
    assert "ratio 1.110 (1.110 to 1.110), MORE than 1.10" in done.stdout
    assert json.loads((tmp_path / "figures.json").read_text())["round_trip"]["is_within"] is False


def test_bench_of_a_cell_that_ends_in_an_error_gives_no_figure(tmp_path: Path) -> None:
    script = "{('baseline', 'nothing'): outcome(Verdict.ERROR, 'gone')}"
    done = umd_harness(tmp_path, "bench", script=script)
    assert done.returncode == 2
    assert "6.12-baseline-nothing ended in an error: gone" in done.stderr


def test_on_a_terminal_the_matrix_is_live_and_the_last_line_counts(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command(["run", "-k", "nothing"], free=0),
        cwd=tmp_path,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )
    os.close(terminal)
    drawn = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:  # the terminal's last user has gone
            break
        if not chunk:
            break
        drawn += chunk
        if b"running" in drawn:
            (tmp_path / "go").touch()
    os.close(controller)
    assert process.wait(timeout=DEADLINE) == 0
    assert b"running" in drawn
    assert b"1/2 objects" in drawn
    assert b"8 cells: 8 as expected" in drawn.splitlines()[-1]


def test_a_declaration_that_cannot_be_used_is_one_line_and_leaves_no_run(tmp_path: Path) -> None:
    wrong = USERS_FILE.replace("Effect.INTEGRITY", '"confidentiality"')
    (tmp_path / "mine.py").write_text(wrong)
    for arguments in (("run",), ("list",), ("repeat",)):
        done = umd_harness(tmp_path, *arguments, "--scenario", "mine.py")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "mine.py:5: scenario mine: effect='confidentiality' is not an Effect" in line
        assert line.endswith("write Effect.CONFIDENTIALITY")
    assert not (tmp_path / "results").exists()
