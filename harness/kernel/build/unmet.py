# SPDX-License-Identifier: GPL-2.0-only
"""Why an option vanished: its unmet dependencies, evaluated by kconfiglib.

Used on the error path only: parsing all Kconfig files takes two seconds.
"""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

from harness.host.commands import output_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DEPTH = 3  # how many "which needs" steps to follow


def explain(source: Path, config: Path, lost: Mapping[str, str]) -> dict[str, str]:
    """Return for each lost option (name → value asked for) the reason in words."""
    try:
        kconfig = _parse(source, config)
    except Exception:  # kconfiglib is older than some trees; quoting still helps
        return {name: _quote(source, name) for name in lost}
    return {name: _reason(kconfig, name, asked) for name, asked in lost.items()}


def _parse(source: Path, config: Path) -> Any:
    import kconfiglib  # type: ignore[import-untyped]

    class Kconfig(kconfiglib.Kconfig):  # type: ignore[misc]
        """kconfiglib that also knows the keyword `modules`, new in Linux 5.15."""

        def _open(self, filename: str, mode: str) -> Any:
            file = super()._open(filename, mode)
            if mode != "r" or not filename.endswith("kernel/module/Kconfig"):
                return file
            with file:
                text = file.read()
            return io.StringIO(text.replace("\tmodules\n", "\toption modules\n"))

    # Kconfig's own `$(shell …)` calls read these from the environment.
    tools = {"CC": "gcc", "LD": "ld", "AR": "ar", "NM": "nm", "HOSTCC": "gcc", "PAHOLE": "pahole"}
    tools |= {"RUSTC": "rustc", "BINDGEN": "bindgen", "OBJCOPY": "objcopy", "CLANG_FLAGS": ""}
    needed = {**tools, "srctree": str(source), "ARCH": "x86", "SRCARCH": "x86"}
    saved = dict(os.environ)
    os.environ.update(needed, KERNELVERSION="")
    try:
        kconfig = Kconfig("Kconfig", warn=False, suppress_traceback=False)
        kconfig.load_config(str(config))
    finally:
        os.environ.clear()
        os.environ.update(saved)
    return kconfig


def _reason(kconfig: Any, name: str, asked: str) -> str:
    symbol = kconfig.syms.get(name)
    if symbol is None or not symbol.nodes:
        return "this source has no such option"
    if asked == "n":
        return _who_sets(symbol)
    unmet = _unmet(symbol, depth=_DEPTH)
    if unmet:
        return "it needs " + ", ".join(unmet)
    return f"its value is {symbol.str_value or 'empty'}: it has no prompt, or a choice excludes it"


def _unmet(symbol: Any, *, depth: int) -> list[str]:
    """Return the conjuncts that are n, each with what it needs in turn."""
    import kconfiglib

    prompts = [node.prompt[1] for node in symbol.nodes if node.prompt]
    if not prompts:
        return _selectors(symbol, depth=depth)
    conjuncts = kconfiglib.split_expr(symbol.direct_dep, kconfiglib.AND)
    if not any(kconfiglib.expr_value(prompt) for prompt in prompts):
        conjuncts += kconfiglib.split_expr(prompts[0], kconfiglib.AND)
    unmet: dict[str, None] = {}
    for conjunct in conjuncts:
        if kconfiglib.expr_value(conjunct) == 0:
            unmet[_with_cause(conjunct, depth=depth)] = None
    return list(unmet)


def _with_cause(expression: Any, *, depth: int) -> str:
    import kconfiglib

    text = "CONFIG_" + re.sub(
        r"(?<=[ (!])(?=[A-Z])", "CONFIG_", kconfiglib.expr_str(expression)
    ).removeprefix("CONFIG_")
    if text.startswith("CONFIG_!"):
        text = "!CONFIG_" + text.removeprefix("CONFIG_!").removeprefix("CONFIG_")
    if depth > 0 and isinstance(expression, kconfiglib.Symbol):
        deeper = _unmet(expression, depth=depth - 1)
        if deeper:
            return f"{text} (which needs {', '.join(deeper)})"
    return text


def _selectors(symbol: Any, *, depth: int) -> list[str]:
    """Name what could select an option without a prompt, or its unmet dependencies."""
    import kconfiglib

    conjuncts = kconfiglib.split_expr(symbol.direct_dep, kconfiglib.AND)
    unmet = [
        _with_cause(part, depth=depth) for part in conjuncts if kconfiglib.expr_value(part) == 0
    ]
    if unmet or symbol.rev_dep is symbol.kconfig.n:
        return unmet
    by = [
        _with_cause(part, depth=0) for part in kconfiglib.split_expr(symbol.rev_dep, kconfiglib.OR)
    ]
    return [f"to be selected (it has no prompt) by {' or '.join(by[:4])}"]


def _who_sets(symbol: Any) -> str:
    import kconfiglib

    selecting = [
        kconfiglib.expr_str(part)
        for part in kconfiglib.split_expr(symbol.rev_dep, kconfiglib.OR)
        if kconfiglib.expr_value(part) > 0
    ]
    if selecting:
        return f"it is {symbol.str_value}, selected by {', '.join(selecting)}"
    return f"it is {symbol.str_value} by default and cannot be switched off here"


def _quote(source: Path, name: str) -> str:
    """Quote the option's `depends on` lines from the Kconfig files."""
    pattern = rf"^\s*(menu)?config {name}$"
    argv = ["grep", "-rhEA12", "--include=Kconfig*", pattern, str(source)]
    _, output = output_of(argv)
    depends: list[str] = []
    for line in output.splitlines()[1:]:
        if re.match(r"\s*(menu)?config ", line):
            break
        if line.strip().startswith("depends on"):
            depends.append(line.strip())
    if not output:
        return "this source has no such option"
    return "; ".join(depends) or "it has no `depends on`: perhaps no prompt"
