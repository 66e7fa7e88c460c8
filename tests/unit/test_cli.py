# SPDX-License-Identifier: GPL-2.0-only
"""The command line as a process of its own, above a scripted lab."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from small_corpus import AS_EXPECTED, CELLS

from harness.matrix import all_cells
from harness.scenarios import SCENARIOS
from harness.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
DEADLINE = 60.0

DRIVER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
import small_corpus
from harness import cli, provenance
from harness.errors import UserError
from harness.witness.verdict import Verdict
from scripted_lab import ScriptedLab, opener, outcome
if not {whole}:
    small_corpus.keep()
lab = ScriptedLab({script}, takes={takes}, log=Path("ran"), machines={machines})
provenance.open_lab = opener(lab, says=("kernel: 1/2 objects",), takes={opening})
sys.exit(cli.main(sys.argv[1:]))
"""

USERS_FILE = """
from errno import EPERM
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="mine", answers=("T1",), call="kill", refused=(EPERM,))
def mine(attacker, handler):
    '''Do what I think of.'''
    attacker.kill(handler.pid, 9)
"""


def command(
    arguments: Sequence[str],
    script: str = "{}",
    *,
    takes: float = 0.0,
    opening: float = 0.0,
    machines: bool = False,
    whole: bool = False,
) -> list[str]:
    """The command above a scripted lab; its corpus is the small one, but for `whole`."""
    driver = DRIVER.format(
        here=str(HERE),
        script=script,
        takes=takes,
        opening=opening,
        machines=machines,
        whole=whole,
    )
    return [sys.executable, "-c", driver, *arguments]


def umd_harness(
    where: Path, *arguments: str, script: str = "{}", whole: bool = False
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(arguments, script, whole=whole),
        cwd=where,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def latest(where: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    run = where / "results/latest"
    lines = (run / "results.jsonl").read_text().splitlines()
    return json.loads((run / "run.json").read_text()), [json.loads(line) for line in lines]


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
    assert names == {"cells", "results.jsonl", "run.json", "junit.xml"}


def test_the_whole_corpus_is_as_expected_and_each_cell_runs_once(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", whole=True)
    assert done.returncode == 0, done.stderr
    out, cells = done.stdout.splitlines(), sorted(cell.id for cell in all_cells())
    assert len(cells) > CELLS
    kinds = f"{len(SCENARIOS)} scenarios on {len(VARIANTS)} variants of 6.12"
    assert out[0].startswith(f"{len(cells)} cells ({kinds}), ")
    counted = f"{len(cells)} cells: {len(cells)} as expected, 0 unexpected, 0 errors, "
    assert out[-1].startswith(counted)
    assert sorted((tmp_path / "ran").read_text().split()) == cells
    header, lines = latest(tmp_path)
    assert sorted(header["selected"]) == cells
    assert len(lines) == len(cells)


def test_one_cell_is_chosen_and_what_it_rests_on_comes_along(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "--variant", "isolated", "-k", "proc_mem_write")
    assert done.returncode == 0
    header, lines = latest(tmp_path)
    assert header["selected"] == ["6.12-isolated-proc_mem_write"]
    assert header["opened_for"] == ["baseline", "isolated"]
    assert len(lines) == 6


LOST = "('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'chain')"
ERROR = "('kthread', 'ptrace_seize'): outcome(Verdict.ERROR, 'gone')"


@pytest.mark.parametrize(("script", "status"), [(LOST, 1), (ERROR, 2), (f"{LOST}, {ERROR}", 2)])
def test_the_exit_status_and_the_rerun_line(tmp_path: Path, script: str, status: int) -> None:
    done = umd_harness(tmp_path, "run", script=f"{{{script}}}")
    assert done.returncode == status
    assert latest(tmp_path)[0]["exit_status"] == status
    if LOST in script:
        assert "    umd-harness run --variant isolated -k proc_mem_write\n" in done.stdout


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
        (["run", "--scenarios", "absent.py"], "there is no scenario file"),
        (["run", "--jobs", "0"], "0 is not a whole number from 1 on"),
        (["bench", "-n", "3"], "3 measurements are too few"),
    ],
    ids=["-k", "--variant", "file", "--jobs", "bench"],
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
        ("x = 1\n", "registers no scenario"),
        (USERS_FILE.replace("def mine", "def nothing"), "nothing is registered twice"),
        (USERS_FILE.replace('answers=("T1",)', 'answers=(), control="x"'), "the variant 'x'"),
    ],
    ids=["syntax", "import", "empty", "twice", "variant"],
)
def test_a_faulty_file_of_attacks_is_told_by_its_line(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(content)
    done = umd_harness(tmp_path, "run", "--scenarios", "mine.py")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_users_attack_runs_like_ours(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(USERS_FILE)
    lost = "{('isolated', 'mine'): outcome(Verdict.TAMPERED)}"
    done = umd_harness(tmp_path, "run", "--scenarios", "mine.py", "-k", "mine", script=lost)
    assert done.returncode == 1
    assert "Do what I think of." in done.stdout
    assert "run --variant isolated -k mine --scenarios mine.py\n" in done.stdout
    listed = umd_harness(tmp_path, "list", "--scenarios", "mine.py").stdout
    assert "mine  (effect integrity, surface mine, answers T1)" in listed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_cleanly_with_the_results_so_far(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, takes=0.2)
    wait_for_cells(tmp_path, 7)
    process.send_signal(number)
    out, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 128 + number
    assert errors == ""
    assert "stopping when the running cells have ended" in out
    header, lines = latest(tmp_path)
    ran = (tmp_path / "ran").read_text().split()
    assert 7 <= len(ran) == len(lines) < CELLS
    assert header["stopped_by"] == number.name
    assert header["exit_status"] == 128 + number
    assert f"{CELLS - len(lines)} not run" in out.splitlines()[-1]
    assert not (tmp_path / "results/latest/.locks").exists()


def test_a_second_signal_does_not_wait_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    process = start(tmp_path, machines=True)
    deadline = time.monotonic() + DEADLINE
    while len(machines := list((tmp_path / "work").glob("*/pid"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    pids = [int(machine.read_text()) for machine in machines]
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=DEADLINE)
    assert time.monotonic() - before < 4
    assert (process.returncode, errors) == (130, "")
    assert "given up" in out
    assert header_of(tmp_path)["exit_status"] == 130
    assert not list((tmp_path / "work").iterdir())
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_cell_that_does_not_end_is_left_behind(tmp_path: Path) -> None:
    process = start(tmp_path, takes=60.0)
    wait_for_cells(tmp_path, 2)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)
    assert time.monotonic() - before < 15
    assert process.returncode == 130
    assert header_of(tmp_path)["exit_status"] == 130


def test_ctrl_c_while_the_kernel_builds_leaves_no_run_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(["run"], opening=30.0),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "objects" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (130, "umd-harness: stopped\n")
    assert not (tmp_path / "results").exists()


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


def start(where: Path, *, takes: float = 0.0, machines: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(["run", "--jobs", "2"], takes=takes, machines=machines),
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_cells(where: Path, number: int) -> None:
    deadline = time.monotonic() + DEADLINE
    ran = where / "ran"
    while not ran.exists() or len(ran.read_text().split()) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def header_of(where: Path) -> dict[str, Any]:
    header = json.loads((where / "results/latest/run.json").read_text())
    assert isinstance(header, dict)
    return header


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
    assert "not all of the results could be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_line_of_a_run_and_the_list_come_within_a_second(tmp_path: Path) -> None:
    for arguments in (["run", "-k", "nothing"], ["list"]):
        fastest = min(_seconds_to_first_line(tmp_path, arguments) for _ in range(3))
        assert fastest < 1.0


def _seconds_to_first_line(where: Path, arguments: list[str]) -> float:
    start_ = time.monotonic()
    with subprocess.Popen(
        command(arguments, takes=0.1), cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        seconds = time.monotonic() - start_
        process.communicate(timeout=DEADLINE)
    return seconds


def test_list_says_what_each_variant_should_give(tmp_path: Path) -> None:
    listed = umd_harness(tmp_path, "list", whole=True).stdout
    for name, scenario in SCENARIOS.items():
        assert f"\n{name}  (effect" in f"\n{listed}"
        assert scenario.surface in listed
        assert ", ".join(scenario.answers) in listed
    for variant in VARIANTS.values():
        assert variant.summary in listed


def test_list_marks_controls_holes_and_what_is_not_applicable(tmp_path: Path) -> None:
    listed = umd_harness(tmp_path, "list").stdout
    assert (
        textwrap.dedent(
            """
        escape_openat  (effect escape, surface escape-syscall, answers C1, R13)
            From inside: open a file.
            baseline        tampered  control
            isolated        held
            isolated-debug  held
            kthread         n/a  nothing confines kernel code
        """
        )
        in listed
    )
    assert "\n    isolated        tampered  known hole: who writes all of memory" in listed
    assert "\n    kthread         tampered  who writes all of memory" in listed


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
    last = done.stdout.splitlines()[-1]
    assert last.startswith("all cells ")
    assert "saved state 0.250 s  boot-plus-run 2.000 s  ratio 0.125  (medians of 21" in last


def test_bench_of_a_cell_that_ends_in_an_error_gives_no_figure(tmp_path: Path) -> None:
    script = "{('baseline', 'nothing'): outcome(Verdict.ERROR, 'gone')}"
    done = umd_harness(tmp_path, "bench", script=script)
    assert done.returncode == 2
    assert "6.12-baseline-nothing ended in an error: gone" in done.stderr


def test_on_a_terminal_the_matrix_is_live_and_the_last_line_counts(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command(["run", "-k", "nothing"], takes=0.3),
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
    os.close(controller)
    assert process.wait(timeout=DEADLINE) == 0
    assert b"running" in drawn
    assert b"1/2 objects" in drawn
    assert b"8 cells: 8 as expected" in drawn.splitlines()[-1]
