# SPDX-License-Identifier: GPL-2.0-only
"""The interfaces of a source: functions, exports, hooks, parameters, files, options, system calls.

They are read from the text, so that a built tree can be compared with one that is not built.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEADLINE = 120.0
_KINDS = {
    "export": re.compile(r"^EXPORT_SYMBOL(?:_GPL|_NS|_NS_GPL)?\(\s*(\w+)", re.MULTILINE),
    "hook": re.compile(r"^\s*LSM_HOOK_INIT\(\s*(\w+)", re.MULTILINE),
    "hook definition": re.compile(r"^LSM_HOOK\([^,]+,[^,]+,\s*(\w+)", re.MULTILINE),
    "security module": re.compile(r"^DEFINE_(?:EARLY_)?LSM\(\s*(\w+)", re.MULTILINE),
    "boot parameter": re.compile(
        r'^(?:early_param|__setup|core_param)\(\s*"([\w.]+)', re.MULTILINE
    ),
    "module parameter": re.compile(r"^module_param\w*\(\s*(\w+)", re.MULTILINE),
    "file": re.compile(
        r'\b(?:securityfs|debugfs|proc|sysfs|tracefs)_(?:create|mkdir)\w*\(\s*"([^"]+)"'
    ),
    "system call": re.compile(r"^(?:COMPAT_)?SYSCALL_DEFINE\d\(\s*(\w+)", re.MULTILINE),
}
_OPTION = re.compile(r"^(?:menu)?config (\w+)$", re.MULTILINE)
_STATIC = re.compile(r"\bstatic\b")


def openings(files: Mapping[str, str]) -> dict[str, str]:
    """Return each "kind name" with its file. `files` has texts by their paths in a source."""
    found: dict[str, str] = {}
    for path, text in files.items():
        if Path(path).name.startswith("Kconfig"):
            found.update({f"option {name}": path for name in _OPTION.findall(text)})
        elif path.endswith((".c", ".h")):
            for kind, pattern in _KINDS.items():
                found.update({f"{kind} {name}": path for name in pattern.findall(text)})
    for name, path, is_static in functions(files):
        if not is_static:
            found[f"function {name}"] = path
    return found


def functions(files: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Yield each function that is defined: its name, its file, and whether it is static.

    Raises UserError if ctags is missing.
    """
    sources = {path: text for path, text in files.items() if path.endswith(".c")}
    if not sources:
        return
    with tempfile.TemporaryDirectory() as folder:
        for path, text in sources.items():
            place = Path(folder) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        argv = ["ctags", "-R", "--languages=C", "--kinds-C=f", "--fields=+f", "--sort=no"]
        argv += ["--output-format=json", "-o", "-", "."]
        # Debian's ctags uses no other folder for temporary files.
        env = {**clean_environment(), "TMPDIR": folder}
        status, output = output_of(argv, cwd=Path(folder), env=env, deadline=_DEADLINE)
    if status != 0:
        raise UserError(
            f"ctags failed: {output.strip()[:200]}",
            hint="apt-get install universal-ctags: another ctags knows no JSON",
        )
    for line in output.splitlines():
        if line.startswith("{"):
            tag = json.loads(line)
            yield tag["name"], tag["path"].removeprefix("./"), bool(tag.get("file"))
