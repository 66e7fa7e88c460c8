# SPDX-License-Identifier: GPL-2.0-only
"""SIGINT and SIGTERM, once and again, before there are cells: a build, a state being made.

What they do to cells is in test_run_faults.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import read_until
from gone_process import gone
from harness_process import PATIENT, Place, ended, place, wait_for
from miniature_kernel import FILES, MAKEFILE, Miniature, make_miniature, pack

from harness.vm.qemu import QEMU

if TYPE_CHECKING:
    import subprocess

    from harness.lab.lab import Lab

__all__ = ["place"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

BUILD = """
import sys
from contextlib import contextmanager
from pathlib import Path
from harness.cli.main import main
from harness.run import provenance
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest, Workspace

@contextmanager
def prepare_lab(*arguments, corpus, engine):
    sources, patches, cache = map(Path, {paths!r})
    workspace = Workspace(cache, patches, sources, free_space=0)
    kernel_image(BuildRequest("6.12"), progress=arguments[-1], workspace=workspace)
    yield

provenance.prepare_lab = prepare_lab
sys.exit(main(["build"]))
"""

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
TIMES = pytest.mark.parametrize("times", [1, 2])


def send(process: subprocess.Popen[str], number: signal.Signals, times: int) -> None:
    """Send a signal so many times. A second one too early would be the same to the process."""
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.1 if times == 1 else 1)


def check(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Check that it ended in time, with one line and the exit status of the signal.

    What it had started would take longer by itself.
    """
    done = ended(process, seconds=200)
    assert done.status == 128 + number
    (line,) = done.errors.splitlines()
    assert line.startswith("umd-harness: stopped")
    if number is not signal.SIGINT:  # who pressed Ctrl-C knows
        assert line.endswith(
            "by SIGTERM; what was built stays: the same command goes on from there"
        )


def slow_make(mini: Miniature, marker: Path) -> None:
    """Have make wait for a child that heeds no SIGTERM and leaves its pid in `marker`."""
    script = marker.with_suffix(".sh")
    script.write_text(f"trap '' TERM\necho $$ >{marker}\nsleep 300\n")
    rule = f"\t@echo '  CC      slow.o'\n\t@exec sh {script}\n"
    makefile = MAKEFILE.replace("bzImage: $(OBJECTS)\n", "bzImage: $(OBJECTS)\n" + rule)
    pack(mini.sources, {**FILES, "Makefile": makefile})


@SIGNALS
@TIMES
def test_while_the_kernel_is_compiled(
    place: Place, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    mini = make_miniature(tmp_path / "kernel")
    marker = tmp_path / "pid"
    slow_make(mini, marker)
    program = BUILD.format(paths=[str(mini.sources), str(mini.patches), str(mini.cache)])
    process = place.start(program=program)
    wait_for(lambda: marker.exists() and marker.read_text().strip(), process)
    send(process, number, times)
    check(process, number)
    assert gone(int(marker.read_text()))
    assert not list(mini.cache.glob("images/*"))
    assert not place.left()


@SIGNALS
@TIMES
def test_while_the_source_is_unpacked(place: Place, number: signal.Signals, times: int) -> None:
    """With the real source: a source tree that is half unpacked is not used."""
    (place.cache / "build").unlink()
    (place.cache / "images").unlink()
    process = place.start("build")
    unpacked = place.cache / "build/6.12"
    wait_for(lambda: list(unpacked.glob(".new-*/new/*")), process)
    send(process, number, times)
    check(process, number)
    assert not (unpacked / "source").exists()
    assert not list(unpacked.glob(".new-*"))
    assert not place.left()


def stand_in(folder: Path, tool: str, case: str, marker: Path) -> str:
    """A PATH on which `tool`, called with arguments like `case`, leaves its pid and stands still.

    The folder is open to QEMU's user as well.
    """
    real = shutil.which(tool)
    folder.chmod(0o755)
    (folder / tool).write_text(
        f'#!/bin/sh\ncase "$*" in {case}) echo $$ >{marker}; exec sleep 300;; esac\n'
        f'exec {real} "$@"\n'
    )
    (folder / tool).chmod(0o755)
    marker.touch()
    marker.chmod(0o666)
    return f"{folder}:{os.environ['PATH']}"


@SIGNALS
@TIMES
@pytest.mark.parametrize(
    ("tool", "case"), [("gcc", "*agent.c*"), (QEMU, "*isa-debug-exit*")], ids=["guest", "probe"]
)
def test_while_the_guest_image_is_made_or_the_machine_examined(
    place: Place, lab: Lab, number: signal.Signals, times: int, tool: str, case: str
) -> None:
    if tool == "gcc":
        (place.own("guests", lab.guest.key) / "initramfs.cpio").unlink()
        (place.cache / "programs").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder, marker = Path(made), Path(made, "pid")
        process = place.start("build", PATH=stand_in(folder, tool, case, marker))
        wait_for(lambda: marker.read_text().strip(), process)
        send(process, number, times)
        check(process, number)
        assert gone(int(marker.read_text()))
    assert not place.left()


@SIGNALS
@TIMES
def test_while_a_state_is_made(place: Place, number: signal.Signals, times: int) -> None:
    """One signal: the state is made, the cell ends and no other starts. Two: all ends at once."""
    process = place.start_run("-k", "nothing", "--jobs", "1", program=PATIENT)
    wait_for(lambda: list(place.cache.glob("machines/*/ram")), process)
    process.send_signal(number)
    if times == 2:
        read_until(process, "stopping after the running cells")  # or the two may become one
        process.send_signal(number)
    done = ended(process)
    assert (done.status, done.errors) == (128 + number, "")
    header, verdicts = place.kept()
    assert (header["stopped_by"], header["exit_status"]) == (number.name, 128 + number)
    made = [path.name for path in (place.cache / "states").glob("*/*")]
    assert len(made) == (1 if times == 1 else 0)
    # Cut off from host_tamper it is an error; given up it counts as not run.
    assert verdicts == ({"nothing": "error"} if times == 1 else {})
    assert not place.left()
