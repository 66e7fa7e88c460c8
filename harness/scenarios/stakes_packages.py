# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake with the handler `rpm`: the digests of files that the kernel takes for genuine.

These scenarios exist only for this handler (STAKES of this package).
"""

from __future__ import annotations

from os import O_RDWR, WNOHANG
from typing import TYPE_CHECKING

from harness.attacker.tools.packages import (
    TARGET,
    add_package,
    ask_digest,
    digests_in,
    forged_reply,
    header_of,
    renamed,
)
from harness.guests.vendor import PACKAGE
from harness.model.verdict import Verdict
from harness.scenarios.direct import by_proc_fd
from harness.scenarios.holes import on_debug
from harness.scenarios.stakes import by_proc_mem, replace_parser
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.attacker import Attacker, File
    from harness.witness.handler import Handler

_PIPE, _FRAME = 65_536, 24  # bytes


@by_proc_mem(surface="stake-digests", answers=("R5", "R6", "T11", "C14"))
def forged_digest(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel take a file for genuine that no package has.

    The summary of a vendor's package ends with the digest of the file that the package replaces.
    The attacker overwrites the handler's parser. The code in its place replies that this is the
    digest of the package's only file. The kernel has verified the vendor's signature, and keeps the
    digest.
    """
    with attacker.setup():
        package = attacker.read_file(PACKAGE)
        header = header_of(package)
        replaced, _ = digests_in(header)
        reply = forged_reply(header, replaced)
    replace_parser(attacker, handler, "umd_rpm_parse", reply)
    add_package(attacker, package)
    ask_digest(attacker, replaced)


@by_proc_fd(
    shows=Violation.BELIEVED.word,
    surface="stake-digests",
    answers=("R5", "R10", "T11", "C14"),
    holes=on_debug(
        Verdict.TAMPERED, "a debugger may open the pipe, and the frame stays right", partly=False
    ),
)
def swapped_package(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel take a file for genuine by another request than the kernel's own.

    Another process adds a vendor's package. The attacker reads each request from
    /proc/<pid>/fd/0, before the handler does, and writes it back. In the package's, the digests
    of the files begin at the digest in the summary. The handler's own parser finds that digest. The
    kernel has verified the header as it was, and keeps the digest that lies there.
    """
    with attacker.setup():
        header = header_of(attacker.read_file(PACKAGE))
    replaced, _ = digests_in(header)
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDWR) as pipe:
        while not add_swapped(attacker, pipe, header, renamed(header, replaced)):
            pass  # the handler was faster, or too late
    ask_digest(attacker, replaced)


def add_swapped(attacker: Attacker, pipe: File, header: bytes, swapped: bytes) -> bool:
    """Have a process add the vendor's package, and swap its header on the way to the handler.

    Return whether the kernel has added it after that.
    """
    adds = attacker.spawn("/bin/busybox", "dd", f"if={PACKAGE}", f"of={TARGET}", "bs=1M")
    while True:
        request = pipe.read(_PIPE)
        if len(request) == _FRAME:  # without what it announces
            request += pipe.read(_PIPE)
        pipe.write(request.replace(header, swapped))
        if header in request:
            return attacker.waitpid(adds)[1] == 0
        if attacker.waitpid(adds, WNOHANG)[0]:
            return False
