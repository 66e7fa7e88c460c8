# SPDX-License-Identifier: GPL-2.0-only
"""The parsers of keys and signatures that were posted on 25 April 2023 as users of the library.

Six mails to linux-kselftest, as patches on our library. They change Linux 6.1 as they are, but for
what `CHANGES` names. A key is parsed by the posted handler, which is a skeleton: it answers every
request with EOPNOTSUPP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from published_mail import mail

if TYPE_CHECKING:
    from pathlib import Path

SUBJECTS = (
    "KEYS: asymmetric: Introduce UMD-based asymmetric key parser",
    "KEYS: asymmetric: Introduce UMD-based asymmetric key signature parser",
    "verification: Introduce verify_umd_signature() and verify_umd_message_sig()",
    "bpf: Introduce bpf_verify_umd_signature() kfunc",
    "selftests/bpf: Prepare a test for UMD-parsed signatures",
    "KEYS: asymmetric: Add UMD handler",
)


@dataclass(frozen=True)
class Change:
    """A change of lines in a mail. It adds no line and removes none, for the hunk's header."""

    mail: int
    """The mail's number, from 1 on."""

    before: bytes
    after: bytes

    why: str

    def apply(self, text: bytes) -> bytes:
        """Return the mail with this change. The text to change must be there."""
        assert self.before in text, f"mail {self.mail} has no {self.before!r}"
        return text.replace(self.before, self.after)


_BUILT = "the harness builds what is on by default"

CHANGES = (
    Change(
        1,
        b" \tdepends on ASYMMETRIC_KEY_TYPE\n"
        b" \tdepends on PKCS7_MESSAGE_PARSER=X509_CERTIFICATE_PARSER\n",
        b" \tdepends on CRYPTO_RSA\n \tdepends on CRYPTO_SHA256\n",
        "the option before it depends on others in Linux 6.1",
    ),
    Change(1, b'+\tbool "UMD-based parser for the asymmetric key type"', b"+\tdef_bool y", _BUILT),
    Change(
        2, b'+\tbool "UMD-based parser for asymmetric key signatures"', b"+\tdef_bool y", _BUILT
    ),
    Change(
        4,
        b"+__bpf_kfunc int bpf_verify_umd_signature",
        b"+int bpf_verify_umd_signature",
        "Linux 6.1 does not mark the functions for BPF programs",
    ),
    Change(
        6,
        b'+\ttristate "UMD handler for asymmetric keys and signatures"',
        b"+\tdef_tristate m",
        _BUILT,
    ),
)

ISOLATED = (
    Change(
        6,
        b"+CC=klcc\n",
        b"+$(obj)/umd_key_sig_umh $(obj)/umd_key_sig_umh_user.o: override CC = klcc\n",
        "klcc compiles the handler: the line alone yields to the command line of make",
    ),
    Change(
        1,
        b"+\t.lock = __MUTEX_INITIALIZER(key_ops.lock),\n",
        b"+\t.lock = __MUTEX_INITIALIZER(key_ops.lock), .isolated = true,\n",
        "the manager asks for isolation",
    ),
    *(
        Change(
            6,
            f"+\t{name} = malloc(sizeof(*{name}));\n".encode(),
            f"+\tstatic struct msg_{name} kept_{name}; {name} = &kept_{name};\n".encode(),
            "an isolated handler makes no system call for memory",
        )
        for name in ("in", "out")
    ),
    Change(6, b"+\tfree(in);\n+\tfree(out);\n", b"+\t(void)in;\n+\t(void)out;\n", "the same"),
    Change(
        6,
        b"+int main(int argc, char *argv[])\n",
        b"+void __libc_init(unsigned long *elf, void (*onexit)(void))\n",
        "klibc's own start makes system calls for its standard input and output",
    ),
    Change(6, b"+\treturn ret;\n+}\n", b"+\t_exit(ret);\n+}\n", "__libc_init does not return"),
)
"""What it takes to isolate the posted handler."""

_LEFT_OUT = re.compile(rb"^diff --git a/\.gitignore .*?(?=^diff --git )", re.DOTALL | re.MULTILINE)
"""A file that Linux 6.1 has other lines of, and that nothing is built from."""


def patches(archive: Path, folder: Path, changes: tuple[Change, ...]) -> Path:
    """Write the six patches to a folder, with these changes; return it."""
    for number, subject in enumerate(SUBJECTS, 1):
        text = mail(archive, f"[RFC][PATCH {number}/{len(SUBJECTS)}] {subject}")
        for change in changes:
            text = change.apply(text) if change.mail == number else text
        (folder / f"{number:04}.patch").write_bytes(_LEFT_OUT.sub(b"", text))
    return folder
