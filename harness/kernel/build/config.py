# SPDX-License-Identifier: GPL-2.0-only
"""The configuration: tinyconfig plus fragments, and a check that each option survived."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from harness.cache.notes import read_note, write_note
from harness.host.commands import clean_environment, output_of
from harness.host.errors import DoesNotBuild, UserError
from harness.kernel.build.make import make
from harness.kernel.build.unmet import explain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from harness.kernel.source.build_tree import BuildTree

_ASSIGNED = re.compile(r"CONFIG_(\w+)=(.*)")
_OPTION = re.compile(r"^\s*(?:menu)?config (\w+)$", re.MULTILINE)
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")


def parse_config(text: str, *, where: str) -> dict[str, str]:
    """Return option → value from a fragment or a `.config`; an unset option is `n`.

    Anything but an assignment, `# CONFIG_… is not set`, a comment or an empty line is an
    error: Kconfig would ignore it in silence.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _ASSIGNED.fullmatch(line.rstrip()):
            values[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line.rstrip()):
            values[match[1]] = "n"
        elif line.strip() and not line.startswith("#"):
            raise UserError(
                f"{where}, line {number} is not a configuration line: {line.strip()}",
                hint="write CONFIG_NAME=value, with nothing after it",
            )
    return values


def read_fragment(path: Path) -> dict[str, str]:
    """Return option → value from a file. Raises UserError if it is no text, or not a fragment."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as kernel options: {error}", hint="name a text file"
        ) from error
    return parse_config(text, where=str(path))


def requested_options(fragments: Sequence[Path], *, lacks: Collection[str] = ()) -> dict[str, str]:
    """Return the options of all fragments, less those that a line `lacks`; a later fragment wins.

    Raises UserError if no fragment asks for an option that is said to be lacking.
    """
    requested: dict[str, str] = {}
    for fragment in fragments:
        requested |= read_fragment(fragment)
    for name in lacks:
        if requested.pop(name, None) is None:
            raise UserError(
                f"`lacks` of the kernel line names {name}, which no fragment asks for",
                hint="remove it from series.toml",
            )
    return requested


def known_options(
    tree: BuildTree, fragments: Sequence[Path], *, lacks: Collection[str] = ()
) -> list[Path]:
    """Return the fragments as files beside the objects, less the options that the tree lacks.

    `lacks` are further options to leave out.
    """
    kconfigs = (path for path in tree.source.rglob("Kconfig*") if path.is_file())
    texts = (path.read_text(errors="replace") for path in kconfigs)
    known = {name for text in texts for name in _OPTION.findall(text)} if fragments else set()
    reduced = []
    for fragment in fragments:
        options = read_fragment(fragment)
        kept = options.keys() & known - set(lacks)
        lines = (f"CONFIG_{key}={value}\n" for key, value in options.items() if key in kept)
        reduced.append(tree.root / fragment.name)
        reduced[-1].write_text("".join(lines))
    return reduced


def configure(
    tree: BuildTree,
    fragments: Sequence[Path],
    *,
    lacks: Collection[str] = (),
    inputs: str = "",
) -> bool:
    """Bring `objects/.config` to tinyconfig plus the fragments; return whether it changed.

    `lacks` are options that are asked for and that the line does not have. The file is written
    only when its content changes: make rebuilds by its time. `inputs` is a hash of all that
    decides the result; where it is the last call's, Kconfig is not run again.
    """
    if inputs and read_note(tree.config_note, _Configured) == _Configured.now(tree, inputs):
        return False
    changed = _configure(tree, fragments, lacks)
    write_note(tree.config_note, _Configured.now(tree, inputs))
    return changed


class _Configured(NamedTuple):
    """The note about the last configuration: the hash of its inputs and that of `.config`."""

    inputs: str
    config: str

    @classmethod
    def now(cls, tree: BuildTree, inputs: str) -> _Configured:
        """Return the note for the tree's `.config` as it is now."""
        return cls(inputs, _hash(tree.objects / ".config"))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _configure(tree: BuildTree, fragments: Sequence[Path], lacks: Collection[str]) -> bool:
    requested = requested_options(fragments, lacks=lacks)
    scratch = tree.config_scratch
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    config = scratch / ".config"
    variables = {"KCONFIG_CONFIG": str(config)}
    target, before = tree.objects / ".config", scratch / "before.config"
    with suppress(FileNotFoundError):
        target.rename(before)  # 6.1's tinyconfig starts from one that lies there
    make(tree, ["tinyconfig"], variables=variables)
    merged = scratch / "merged.config"
    merged.write_text("".join(f"CONFIG_{name}={value}\n" for name, value in requested.items()))
    _merge(tree, config, merged)
    make(tree, ["olddefconfig"], variables=variables)
    check_options(tree.source, config, requested)
    check_lacks(config, lacks)
    if before.is_file() and before.read_bytes() == config.read_bytes():
        before.rename(target)
        return False
    config.rename(target)
    return True


def _merge(tree: BuildTree, config: Path, fragment: Path) -> None:
    script = tree.source / "scripts/kconfig/merge_config.sh"
    argv = ["sh", str(script), "-m", str(config), str(fragment)]
    env = {**clean_environment(), "KCONFIG_CONFIG": str(config)}
    status, output = output_of(argv, cwd=config.parent, env=env)
    with tree.log.open("a", encoding="utf-8") as log:
        log.write(output)
    if status != 0:
        raise UserError(
            f"merge_config.sh failed: {output.strip().splitlines()[-1:]}", hint=f"see {tree.log}"
        )


def check_options(source: Path, config: Path, requested: Mapping[str, str]) -> None:
    """Raise a UserError that names the first options that did not survive, and why."""
    actual = parse_config(config.read_text(), where=str(config))
    lost = {name: value for name, value in requested.items() if actual.get(name, "n") != value}
    if lost:
        reasons = explain(source, config, lost)
        raise DoesNotBuild(
            f"{len(lost)} configuration option(s) did not survive olddefconfig: "
            + "; ".join(f"CONFIG_{name}={lost[name]} ({reasons[name]})" for name in lost),
            hint="add what they need to the fragment, or drop them: the last fragment that names "
            "an option decides",
        )


def check_lacks(config: Path, lacks: Collection[str]) -> None:
    """Raise a UserError if an option that a line is said to lack is on."""
    actual = parse_config(config.read_text(), where=str(config))
    if there := [name for name in lacks if actual.get(name, "n") != "n"]:
        raise UserError(
            f"the kernel line is said to lack {there[0]}, and has it",
            hint="remove it from `lacks` in series.toml",
        )
