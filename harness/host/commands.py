# SPDX-License-Identifier: GPL-2.0-only
"""Build tools as child processes: each has a deadline and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import FREE_SPACE, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TERM_GRACE = 5.0  # seconds make gets to remove half-written targets
_NO_SPACE = os.strerror(errno.ENOSPC)
_KEPT_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "CCACHE_DIR", "CCACHE_DISABLE")


def clean_environment() -> dict[str, str]:
    """Return an environment that makes builds independent of the caller's shell.

    Variables such as ARCH, KCONFIG_* and MAKEFLAGS would silently change the result.
    """
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def find_tool(name: str) -> str:
    """Return the path of a build tool, or raise a UserError that says how to get it."""
    path = shutil.which(name)
    if path is None:
        raise UserError(
            f"the build needs `{name}`, which is not installed",
            hint="install it: `umd-harness doctor` names the package",
        )
    return path


def check_disk(said: str, *, where: Path | None) -> None:
    """Raise UserError if a tool failed because the disk is full: no other hint would help."""
    if _NO_SPACE in said:
        raise UserError(f"no space left on the disk of {where or Path.cwd()}", hint=FREE_SPACE)


@contextmanager
def process_group(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Own a child in a session of its own; its output (both streams) is on `stdout`.

    However the block ends, the child is reaped and no descendant in its group survives. The
    terminal's Ctrl-C does not reach the child: the caller's KeyboardInterrupt ends it here.
    """
    tool = find_tool(argv[0])
    # A harness that is killed by SIGKILL cannot clean up. The kernel then ends the child.
    guarded = [find_tool("setpriv"), "--pdeathsig", "TERM", "--", tool, *argv[1:]]
    process = subprocess.Popen(
        guarded,
        cwd=cwd,
        env=dict(clean_environment() if env is None else env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Terminate, then kill the group. The leader stays unreaped until then.

    An unreaped leader keeps its pid, so no other process group can get that number.
    """
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        _wait_exited(process.pid, _TERM_GRACE)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait(timeout=_TERM_GRACE)
    if process.stdout is not None:
        process.stdout.close()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _wait_exited(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    options = os.WEXITED | os.WNOWAIT | os.WNOHANG
    while os.waitid(os.P_PID, pid, options) is None and time.monotonic() < deadline:
        time.sleep(0.02)


def output_of(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    deadline: float = 60.0,
    stdin: Path | None = None,
) -> tuple[int, str]:
    """Run a short tool and return its exit status and both output streams as one text."""
    try:
        with Path(stdin or os.devnull).open("rb") as source:
            done = subprocess.run(
                [find_tool(argv[0]), *argv[1:]],
                cwd=cwd,
                env=dict(clean_environment() if env is None else env),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=deadline,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"`{argv[0]}` did not end within {deadline:.0f} s",
            hint="run it by hand: " + " ".join(argv),
        ) from error
    said = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        check_disk(said, where=cwd)
    return done.returncode, said
