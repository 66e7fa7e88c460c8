# SPDX-License-Identifier: GPL-2.0-only
"""The settings of the pytest plugin: each is an option of the command line and an ini setting.

An option that is given takes the place of its setting. The module is loaded in every session of
pytest, so that it imports only small modules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.host.errors import UserError
from harness.model.engine_names import DEFAULT_ENGINE, ENGINE_NAMES
from harness.model.handlers import DEFAULT_HANDLER, HANDLERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.run.request import Request
    from harness.run.shard import Shard

Kind = Literal["word", "words", "file", "files", "switch"]

_INI_TYPES: dict[Kind, Literal["string", "args", "paths", "bool"]] = {
    "word": "string",
    "words": "args",
    "file": "paths",
    "files": "paths",
    "switch": "bool",
}


@dataclass(frozen=True)
class Setting:
    """A setting under its name as an option."""

    option: str
    kind: Kind
    metavar: str
    help: str


SETTINGS = {
    "umd_scenarios": Setting(
        "--umd-scenario",
        "files",
        "FILE.py",
        "execute this file; only the scenarios of these files are tests; repeatable",
    ),
    "umd_line": Setting("--umd-line", "word", "LINE", "the kernel line (default: 6.12)"),
    "umd_variants": Setting(
        "--umd-variant", "words", "VARIANT", "a variant to run on; repeatable (default: all)"
    ),
    "umd_variant_files": Setting(
        "--umd-variant-file",
        "files",
        "FILE.toml",
        "add a variant of your own from this file; without --umd-variant, only added variants run; "
        "repeatable",
    ),
    "umd_shard": Setting(
        "--umd-shard",
        "word",
        "I/N",
        "divide the selected cells by scenario among N machines, and run the part I of them; "
        "`umd-harness merge` makes one run of all parts",
    ),
    "umd_balance": Setting(
        "--umd-balance",
        "word",
        "RUN",
        "divide the cells by the seconds that they took in this run, or in the file of its "
        "summary, the same on each machine (default: the largest one in docs/runs)",
    ),
    "umd_engine": Setting(
        "--umd-engine",
        "word",
        "NAME",
        f"how the machines boot: {', '.join(ENGINE_NAMES)} (default: {DEFAULT_ENGINE})",
    ),
    "umd_handler": Setting(
        "--umd-handler",
        "word",
        "NAME",
        f"the handler to attack: {', '.join(HANDLERS)} (default: {DEFAULT_HANDLER})",
    ),
    "umd_tree": Setting(
        "--umd-tree", "file", "DIR", "build this kernel tree in place of the line's source"
    ),
    "umd_patches": Setting(
        "--umd-patches",
        "file",
        "DIR|SERIES|MBOX",
        "apply these patches in place of our series, or with the library on top of it",
    ),
    "umd_with_library": Setting(
        "--umd-with-library",
        "switch",
        "",
        "apply our series to the source, and then your patches, if you give any",
    ),
    "umd_skip_docs": Setting(
        "--umd-skip-docs",
        "switch",
        "",
        "leave out the hunks for documentation that do not apply",
    ),
    "umd_config": Setting(
        "--umd-config", "files", "FRAGMENT", "set the kernel options in this file; repeatable"
    ),
    "umd_kernel": Setting(
        "--umd-kernel", "file", "BZIMAGE", "boot this built kernel; needs --umd-vmlinux"
    ),
    "umd_vmlinux": Setting("--umd-vmlinux", "file", "FILE", "the vmlinux of --umd-kernel"),
}
"""By the name in an ini file."""

_OPTIONS = re.compile(
    r"(?<![\w-])--(?=({})\b)".format(
        "|".join(setting.option.removeprefix("--umd-") for setting in SETTINGS.values())
    )
)


def add_settings(parser: pytest.Parser) -> None:
    """Declare each setting as an option and as an ini setting."""
    group = parser.getgroup("umd-harness")
    for name, setting in SETTINGS.items():
        group.addoption(
            setting.option, dest=name, default=None, help=setting.help, **_form(setting)
        )
        parser.addini(name, setting.help, type=_INI_TYPES[setting.kind])


def _form(setting: Setting) -> dict[str, Any]:
    """Return what pytest needs to know of the option's value. A file comes as a list of one."""
    if setting.kind == "switch":
        return {"action": "store_true"}
    if setting.kind == "file":
        return {"nargs": 1, "metavar": setting.metavar}
    repeated = setting.kind in ("words", "files")
    return {"action": "append" if repeated else "store", "metavar": setting.metavar}


class Settings:
    """The settings of a session."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the settings from the command line and the ini file."""
        self._config = config

    @property
    def are_given(self) -> bool:
        """Whether any setting is given."""
        return any(self._value(name) for name in SETTINGS)

    @property
    def scenario_files(self) -> tuple[Path, ...]:
        """The user's scenario files."""
        return self._files("umd_scenarios")

    @property
    def variant_files(self) -> tuple[Path, ...]:
        """The user's variant files."""
        return self._files("umd_variant_files")

    def request(self) -> Request:
        """Return the cells that the settings choose. Raises UserError for a wrong setting."""
        from harness.brought.options import Brought
        from harness.run.request import request

        return request(
            Brought(self.scenario_files),
            variant_files=self.variant_files,
            variants=self._value("umd_variants"),
            kernel=self._kernel(),
            engine=self._engine(),
            handler=self._value("umd_handler") or DEFAULT_HANDLER,
        )

    def shard(self) -> Shard | None:
        """Return the shard to run; None for all. Raises UserError for a wrong setting."""
        from harness.run.shard import Shard

        if text := self._value("umd_shard"):
            return Shard.parse(text)
        if self._value("umd_balance"):
            raise UserError(
                "--balance divides cells for --shard", hint="add --shard, or leave it out"
            )
        return None

    def seconds(self) -> Mapping[str, float]:
        """Return the seconds by which shards are balanced. Raises UserError."""
        from harness.results.cell_seconds import seconds_of

        root = self._config.rootpath / "results"
        return seconds_of(self._value("umd_balance") or None, root=root)

    def _kernel(self) -> KernelChoice:
        from harness.host.paths import KERNEL_PATCHES
        from harness.kernel.choice.kernel_choice import KernelChoice
        from harness.kernel.series.lines import DEFAULT_LINE, check_line

        line = self._value("umd_line") or DEFAULT_LINE
        check_line(line, patches=KERNEL_PATCHES)
        return KernelChoice(
            line=line,
            tree=self._file("umd_tree"),
            patches=self._file("umd_patches"),
            with_library=self._value("umd_with_library"),
            skip_docs=self._value("umd_skip_docs"),
            fragments=self._files("umd_config"),
            bzimage=self._file("umd_kernel"),
            vmlinux=self._file("umd_vmlinux"),
        )

    def _engine(self) -> str:
        from harness.host.suggestion import hint_for

        name: str = self._value("umd_engine") or DEFAULT_ENGINE
        if name not in ENGINE_NAMES:
            raise UserError(f"there is no engine {name!r}", hint=hint_for(name, ENGINE_NAMES))
        return name

    def _value(self, name: str) -> Any:
        given = self._config.getoption(name)
        return self._config.getini(name) if given is None else given

    def _files(self, name: str) -> tuple[Path, ...]:
        here = self._config.invocation_params.dir
        return tuple(dict.fromkeys(here / file for file in self._value(name)))

    def _file(self, name: str) -> Path | None:
        files = self._files(name)
        if len(files) > 1:
            raise UserError(f"{name} takes one path", hint=f"leave out {files[1]}")
        return files[0] if files else None


def told(error: UserError) -> str:
    """Return the error in a line, with the options under their names in pytest."""
    return f"umd-harness: {_OPTIONS.sub('--umd-', str(error))}"
