# SPDX-License-Identifier: GPL-2.0-only
"""The executor makes the calls of a batch, as it would in the guest, and tells their results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from errno import ESRCH
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from repeating import await_mark, marking, named_sleeper

from harness.campaign.judged import EXECUTOR
from harness.campaign.program import PAGE, Call, Data, Made, Number, Pid, Program, Room, Text
from harness.campaign.wire import batch_bytes, results
from harness.guests.payloads import compile_attack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READ_STAT = Program(
    (
        Call("openat", (Number(-100), Text("/proc/{handler}/stat"), Number(0))),
        Call("read", (Made(0), Room(64), Number(64))),
    )
)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("executor") / "executor"
    compile_attack(EXECUTOR, target)
    return target


@pytest.fixture
def handler() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


def run(
    executor: Path, handler: int, programs: Sequence[Program], tmp_path: Path
) -> tuple[list[list[int]], bytes]:
    batch = tmp_path / "batch"
    batch.write_bytes(batch_bytes(programs, limit_ms=1000))
    environment = {"UMD_HANDLER_PID": str(handler), "UMD_HANDLER_ADDRESS": str(3 * PAGE + 5)}
    command = [str(executor), str(batch)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, check=True, timeout=60, process_group=0
    )
    found = results(done.stdout, programs)
    return found.calls, found.written


@pytest.fixture(autouse=True)
def nothing_is_left(executor: Path) -> Iterator[None]:
    """End the bystanders, and the programs that stay."""
    yield
    for process in os.scandir("/proc"):
        if process.name.isdigit():
            try:
                if Path(process.path, "exe").readlink() == executor:
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue


def test_what_a_call_made_is_there_for_the_next(
    executor: Path, handler: int, tmp_path: Path
) -> None:
    (made,), shown = run(executor, handler, [READ_STAT], tmp_path)
    assert made[0] >= 0
    assert made[1] == 64
    assert shown.startswith(f"{handler} (sleep)".encode())


def test_a_text_names_processes_and_facts(executor: Path, handler: int, tmp_path: Path) -> None:
    path = tmp_path / "said"
    opened = Call("openat", (Number(-100), Text(str(path)), Number(0o101), Number(0o600)))
    said = Text("\t{handler} {address} {frame}\n")
    program = Program((opened, Call("write", (Made(0), said, Number(64)))))
    run(executor, handler, [program], tmp_path)
    assert path.read_text().rstrip("\0") == f"\t{handler} {3 * PAGE + 5} 3\n"


def test_a_program_finds_the_handler_as_its_predecessor_left_it(
    executor: Path, handler: int, tmp_path: Path
) -> None:
    kill = Program((Call("kill", (Pid("handler"), Number(int(signal.SIGKILL)))),))
    info = Data(bytes(128), ((0, 4, Number(9)), (8, 4, Number(-1))))
    queue = Program((Call("rt_sigqueueinfo", (Pid("handler"), Number(9), info)),))
    (first, second), _ = run(executor, handler, [kill, queue], tmp_path)
    assert first == [0]
    assert second in ([0], [-ESRCH]), "a zombie takes signals until it is reaped"


def test_a_program_that_blocks_is_ended_and_the_next_runs(
    executor: Path, handler: int, tmp_path: Path
) -> None:
    blocks = Program((Call("getpid"), Call("pause"), Call("getpid")))
    (first, second), _ = run(executor, handler, [blocks, Program((Call("getppid"),))], tmp_path)
    assert len(first) == 1
    assert len(second) == 1


def test_a_program_that_stays_outlives_the_executor(
    executor: Path, handler: int, tmp_path: Path
) -> None:
    stays = Program((Call("getpid"),), stays=True)
    (((pid,)), _) = run(executor, handler, [stays], tmp_path)[0][0], None
    os.kill(pid, 0)


def test_a_program_that_repeats_makes_its_calls_at_the_next_handler(
    executor: Path, tmp_path: Path
) -> None:
    with named_sleeper(tmp_path) as first:
        run(executor, first.pid, [marking(tmp_path)], tmp_path)
        await_mark(tmp_path, first)
        for _ in range(2):
            with named_sleeper(tmp_path) as later:
                await_mark(tmp_path, later)


@pytest.mark.parametrize(("name", "is_worker"), [("kworker/u-umd_", True), ("kworker/umd", False)])
def test_the_worker_is_known_by_its_workqueue(
    name: str, is_worker: bool, executor: Path, handler: int, tmp_path: Path
) -> None:
    session = Program((Call("getsid", (Pid("worker"),)),))
    named = f"import ctypes, time; ctypes.CDLL(None).prctl(15, {name.encode()!r}); time.sleep(600)"
    command = [sys.executable, "-c", named]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            while Path(f"/proc/{process.pid}/comm").read_text().strip() != name:
                assert process.poll() is None
            ((found,),), _ = run(executor, handler, [session], tmp_path)
            # Another suite on this host may have such a process as well. kthreadd's session is 0.
            assert (found and Path(f"/proc/{found}/comm").read_text().strip()) == (
                name if is_worker else 0
            )
        finally:
            process.kill()


def test_output_that_is_cut_gives_what_there_is() -> None:
    assert results(b"\1", [READ_STAT, READ_STAT]) == ([[], []], [set(), set()], b"")


def test_an_address_belongs_to_the_program_that_covered_it_first() -> None:
    outcome = bytes(104)
    count = (3).to_bytes(8, "little")
    places = b"".join(
        number.to_bytes(4, "little") + address.to_bytes(4, "little")
        for number, address in [(1, 0x81000010), (0, 0x81000020), (7, 0x81000030)]
    )
    told = 2 * outcome + count + places + b"read"
    found = results(told, [READ_STAT, READ_STAT])
    assert found.pcs == [{0x81000020}, {0x81000010}]
    assert found.written == b"read"
    assert results(told[:-12], [READ_STAT, READ_STAT]).pcs == [{0x81000020}, {0x81000010}]
    assert results(told[:-14], [READ_STAT, READ_STAT]).pcs == [set(), {0x81000010}]


def test_known_addresses_do_not_shift_the_programs(
    executor: Path, handler: int, tmp_path: Path
) -> None:
    batch = tmp_path / "batch"
    for known in ([], [0x81000010], [0x81000010, 0x81000020]):
        batch.write_bytes(batch_bytes([READ_STAT], limit_ms=1000, known_pcs=known))
        done = subprocess.run(
            [str(executor), str(batch)],
            env={"UMD_HANDLER_PID": str(handler)},
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
            process_group=0,
        )
        assert results(done.stdout, [READ_STAT]).calls[0][1] == 64
