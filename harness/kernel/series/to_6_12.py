# SPDX-License-Identifier: GPL-2.0-only
"""A script that brings the patches of a security module, made for Linux 6.10 or 6.11, to 6.12.

    python -m harness.kernel.series.to_6_12 v4.mbox --noinline untrusted_task > v4-6.12.mbox

The rules know what 6.12 changed, and nothing of the module. A line on standard error tells each
change. The output is an mbox for `--patches`.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

IDS = "include/uapi/linux/lsm.h"
COUNT = "include/linux/lsm_count.h"
CORE = "security/security.c"
KCONFIG = "security/Kconfig"

NEW_LINES = {
    IDS: {"#define LSM_ID_EVM\t\t112": "#define LSM_ID_IPE\t\t113"},
    KCONFIG: {
        'source "security/landlock/Kconfig"': 'source "security/ipe/Kconfig"',
        '\tstring "Ordered list of enabled LSMs"': "\tdepends on SECURITY",
    },
    "security/Makefile": {
        "obj-$(CONFIG_SECURITY_LANDLOCK)\t\t+= landlock/": "obj-$(CONFIG_SECURITY_IPE)\t\t+= ipe/"
    },
    "Documentation/admin-guide/LSM/index.rst": {"   SafeSetID": "   ipe"},
}
"""For each file, the lines that 6.12 has in addition, by the lines before them."""

RENAMED = {"TPM_MAX_DIGEST_SIZE": "TPM2_MAX_DIGEST_SIZE"}
"""Names of the kernel, as they were and as they are in 6.12."""

LAST_ID = 113

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)")
_NAMED = re.compile(r"\+\+\+ b/(\S+)")
_ID = re.compile(r"\+#define (LSM_ID_\w+)(\s+)(\d+)$")
_COUNTED = re.compile(r"IS_ENABLED\((CONFIG_\w+)\) \? 1 : 0")
_TABLE = re.compile(r"\+} (\w+\[\]) __ro_after_init = \{$")
_LISTED = {"LANDLOCK": "", "IMA": "\t", "EVM": "\t"}
"""The last modules of 6.12's list but one, and the white space behind them."""
_NEAR = 12  # lines between the start of a table's type and its name


@dataclass(frozen=True)
class Hunk:
    """A change of a file: its lines with their marks, and where it is."""

    before: int
    after: int
    heading: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        old = sum(line[:1] != "+" for line in self.lines)
        new = sum(line[:1] != "-" for line in self.lines)
        head = f"@@ -{self.before},{old} +{self.after},{new} @@{self.heading}"
        return "\n".join([head, *self.lines, ""])


@dataclass
class Bringer:
    """Applies the rules to each hunk. `told` says what was changed."""

    noinline: Collection[str] = ()
    told: list[str] = field(default_factory=list)

    def hunk(self, file: str, hunk: Hunk) -> Hunk | str:
        """Return a hunk as 6.12 wants it, or the text of a change to another file."""
        if file == CORE and (moved := self._counted(hunk)):
            return moved
        lines = [self._line(file, hunk.lines, number) for number in range(len(hunk.lines))]
        for before, new in NEW_LINES.get(file, {}).items():
            if f" {before}" in lines and f" {new}" not in lines:
                lines.insert(lines.index(f" {before}") + 1, f" {new}")
                self.told.append(f"{file}: the hunk knows the line `{new.strip()}`")
        return replace(hunk, lines=tuple(lines))

    def _line(self, file: str, lines: tuple[str, ...], number: int) -> str:
        line = lines[number]
        if file == KCONFIG and line.lstrip(" +-\t").startswith('default "'):
            return line.replace(',bpf"', ',ipe,bpf"')
        if not line.startswith("+"):
            return line
        if file == IDS and (match := _ID.match(line)) and int(match[3]) <= LAST_ID:
            self.told.append(f"{file}: {match[1]} is {LAST_ID + 1}, for {match[3]} is taken")
            return f"+#define {match[1]}{match[2]}{LAST_ID + 1}"
        return self._code(file, line, lines[max(0, number - _NEAR) : number])

    def _code(self, file: str, line: str, above: tuple[str, ...]) -> str:
        for old, name in RENAMED.items():
            line, count = re.subn(rf"\b{old}\b", name, line)
            if count:
                self.told.append(f"{file}: {old} is {name}")
        table = _TABLE.match(line)
        if table and any(text.startswith("+static const struct") for text in above):
            self.told.append(f"{file}: {table[1]} is const, and not in the section of variables")
            return f"+}} {table[1]} = {{"
        for name in self.noinline:
            if re.match(rf"\+static \w+ {name}\(", line):
                self.told.append(f"{file}: {name}() is not inlined, so that its calls can be seen")
                return line.replace("+static ", "+static noinline ", 1)
        return line

    def _counted(self, hunk: Hunk) -> str:
        """Return the change of the header if the hunk counts a further module, else nothing."""
        names = {
            mark: set(_COUNTED.findall("\n".join(line for line in hunk.lines if line[0] == mark)))
            for mark in "-+"
        }
        new = names["+"] - names["-"]
        if len(new) != 1:
            return ""
        option = new.pop()
        name = option.removeprefix("CONFIG_").removeprefix("SECURITY_") + "_ENABLED"
        self.told.append(f"{COUNT}: it counts {option}, as {CORE} did")
        head = f"diff --git a/{COUNT} b/{COUNT}\n--- a/{COUNT}\n+++ b/{COUNT}\n"
        return head + "".join(map(str, _counted_now(option, name)))


def _counted_now(option: str, name: str) -> tuple[Hunk, Hunk]:
    """Return the hunks by which 6.12 counts a further module."""
    defined = (f"+#if IS_ENABLED({option})", f"+#define {name} 1,", "+#else", f"+#define {name}")
    comment = (
        " /*",
        "  *  There is a trailing comma that we need to be accounted for. This is done by",
        "  *  using a skipped argument in __COUNT_LSMS",
    )
    before = (" #else", " #define IPE_ENABLED", " #endif", " ")
    listed = tuple(f" \t\t{one}_ENABLED\t{tab}\\" for one, tab in _LISTED.items())
    new = ("-\t\tIPE_ENABLED)", "+\t\tIPE_ENABLED\t\t\\", f"+\t\t{name})")
    return (
        Hunk(94, 94, "", (*before, *defined, "+#endif", "+", *comment)),
        Hunk(118, 124, "", (*listed, *new, " ", " #else", " ")),
    )


def bring(text: str, change: Callable[[str, Hunk], Hunk | str]) -> str:
    """Return an mbox with the hunks as `change` returns them."""
    out: list[str] = []
    head: list[str] = []
    file = ""
    for part in _parts(text):
        if isinstance(part, str):
            if part.startswith("diff --git ") or not head:
                out += head
                head = []
            is_head = part.startswith("diff --git ") or bool(head)
            (head if is_head else out).append(part)
            if match := _NAMED.match(part):
                file = match[1]
            continue
        changed = change(file, part)
        if isinstance(changed, Hunk):
            out += head
        head = []
        out.append(str(changed))
    return "".join([*out, *head])


def _parts(text: str) -> Iterator[str | Hunk]:
    """Yield the lines of an mbox, with whole hunks in place of theirs."""
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        match = _HUNK.match(line)
        if not match:
            yield line
            continue
        old, new = int(match[2] or 1), int(match[4] or 1)
        body: list[str] = []
        while old > 0 or new > 0:
            body.append(next(lines).rstrip("\n") or " ")
            old -= body[-1][0] in " -"
            new -= body[-1][0] in " +"
        yield Hunk(int(match[1]), int(match[3]), match[5], tuple(body))


def main() -> None:
    """Read an mbox, write it as brought to 6.12."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mbox", type=Path, help="the mails of the series")
    parser.add_argument(
        "--noinline",
        action="append",
        default=[],
        metavar="FUNCTION",
        help="a static function whose calls the witness is to count; may be repeated",
    )
    given = parser.parse_args()
    bringer = Bringer(given.noinline)
    text = given.mbox.read_bytes().decode(errors="surrogateescape")
    sys.stdout.buffer.write(bring(text, bringer.hunk).encode(errors="surrogateescape"))
    sys.stderr.writelines(f"{line}\n" for line in bringer.told)


if __name__ == "__main__":
    main()
