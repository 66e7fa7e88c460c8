# SPDX-License-Identifier: GPL-2.0-only
"""Runs parts of the test suite several times in a row, while other processes burn each CPU.

    python tests/support/busy_host.py [rounds [part ...]]

A part is an environment of tox.ini. By default the rounds have those of `./run tests`: the whole
suite. The first failure ends the rounds: the suite must pass whatever else the host does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from multiprocessing import Process
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]


def burn() -> None:
    """Use a CPU for good, in a session of its own: autogroup shares the CPUs between sessions."""
    os.setsid()
    while True:
        pass


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Have processes burn CPUs meanwhile."""
    burners = [Process(target=burn, daemon=True) for _ in range(count)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def main(arguments: list[str]) -> int:
    """Run the rounds; return the status of the part that failed, 0 if none did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", type=int, nargs="?", default=5, help="default: 5")
    parser.add_argument("parts", nargs="*", help="default: those of `./run tests`")
    given = parser.parse_args(arguments)
    chosen = ["-e", ",".join(given.parts)] if given.parts else []
    tox = [sys.executable, "-m", "tox", "run", *chosen]
    for number in range(1, given.rounds + 1):
        start = time.monotonic()
        with burning(os.cpu_count() or 1):
            status = subprocess.run(tox, cwd=CHECKOUT, check=False).returncode
        spent = time.monotonic() - start
        print(f"busy: round {number} of {given.rounds} ended with {status} after {spent:.0f} s")  # noqa: T201
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
