# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake with the handler `rpm`: the digests of files that the kernel takes for genuine.

These scenarios exist only for this handler (STAKES of this package).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.tools.packages import (
    add_package,
    ask_digest,
    digests_in,
    forged_reply,
    header_of,
)
from harness.guests.vendor import PACKAGE
from harness.scenarios.stakes import by_proc_mem, replace_parser

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


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
