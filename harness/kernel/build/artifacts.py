# SPDX-License-Identifier: GPL-2.0-only
"""The files of a finished build tree that a kernel image keeps."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import DoesNotBuild, UserError
from harness.model.handlers import HANDLERS, WITH_BUG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.kernel.source.build_tree import BuildTree

BZIMAGE = "arch/x86/boot/bzImage"
"""The image's place below a folder of objects."""

_WITNESS = "kernel/umd_witness/built-in.a"
_KINDS = (*HANDLERS.values(), *WITH_BUG.values())
_OPTIONAL = {kind.program: kind.option for kind in _KINDS if kind.option}
"""By program of a handler, the option without which no kernel has the program."""
_COPY_SECONDS = 600.0  # 200 MB; 2 s on an idle machine
_INJECTABLE = re.compile(r"ALLOW_ERROR_INJECTION\((\w+),")
_INJECTABLE_IN = ("arch/x86", "block", "fs", "io_uring", "kernel", "lib", "mm", "net", "security")


def collect(tree: BuildTree, folder: Path, *, handlers: Sequence[str]) -> None:
    """Copy the image, its symbols, configuration, modules and handlers into `folder`.

    `witness-undefined.txt` and `error-injection.txt` are for the check that the witness calls
    nothing that root may make fail, `witness-functions.txt` for the host to look after its code
    (rule 1).
    """
    bzimage, vmlinux = tree.objects / BZIMAGE, tree.objects / "vmlinux"
    collect_built(tree.objects, folder, bzimage=bzimage, vmlinux=vmlinux, handlers=handlers)
    _write_names(folder / "error-injection.txt", _injectable(tree.source))
    shutil.copyfile(tree.log, folder / "build.log")


def collect_built(
    objects: Path, folder: Path, *, bzimage: Path, vmlinux: Path, handlers: Sequence[str]
) -> None:
    """Copy these from a folder in which a kernel was built. Raises UserError."""
    shutil.copyfile(bzimage, folder / "bzImage")
    _keep_vmlinux(vmlinux, folder / "vmlinux")
    shutil.copyfile(objects / "System.map", folder / "System.map")
    shutil.copyfile(objects / ".config", folder / "config")
    for module in modules_of(objects):
        shutil.copyfile(module, folder / module.name)
    (folder / "handlers").mkdir()
    options = (objects / ".config").read_text()
    for handler in handlers:
        path = objects / handler
        option = _OPTIONAL.get(path.name)
        if option and f"CONFIG_{option}=" not in options:
            continue
        if not path.is_file():
            raise DoesNotBuild(
                f"the build made no handler {handler}",
                hint=f"is its option on? see {objects / '.config'} and `handlers` in series.toml",
            )
        shutil.copyfile(path, folder / "handlers" / path.name)
        shutil.copymode(path, folder / "handlers" / path.name)
    if (objects / _WITNESS).is_file():
        symbols = _symbols(objects / _WITNESS)
        undefined = symbols.pop("U")
        _write_names(folder / "witness-undefined.txt", undefined.difference(*symbols.values()))
        _write_names(folder / "witness-functions.txt", symbols["T"])


def _keep_vmlinux(vmlinux: Path, target: Path) -> None:
    """Copy vmlinux for debuggers, at half the size. The next build overwrites the tree's own."""
    argv = ["objcopy", "--compress-debug-sections=zstd", str(vmlinux), str(target)]
    status, output = output_of(argv, deadline=_COPY_SECONDS)
    if status != 0:
        raise UserError(
            f"objcopy could not copy {vmlinux}: {output.strip()}", hint="run it by hand to see why"
        )


def modules_of(objects: Path) -> list[Path]:
    """Return the modules of this build, without stale .ko files of earlier series."""
    order = objects / "modules.order"
    names = order.read_text().split() if order.is_file() else []
    return [(objects / name).with_suffix(".ko") for name in names]


def _write_names(path: Path, names: set[str]) -> None:
    path.write_text("".join(f"{name}\n" for name in sorted(names)))


def _symbols(archive: Path) -> dict[str, set[str]]:
    """Return the names in the archive's objects by kind: U undefined, T global code, and so on."""
    status, output = output_of(["nm", "--format=posix", str(archive)])
    if status != 0:
        raise UserError(f"nm could not read {archive}", hint="run it by hand to see why")
    names: defaultdict[str, set[str]] = defaultdict(set)
    for line in output.splitlines():
        name, kind, *_ = [*line.split(), ""]
        if not kind:  # the heading of a member
            continue
        names["U" if kind in "wv" else kind].add(name)
    return names


def _injectable(source: Path) -> set[str]:
    """Return the functions that root can make fail (CONFIG_FAIL_FUNCTION)."""
    folders = [name for name in _INJECTABLE_IN if (source / name).is_dir()]
    argv = ["grep", "-rhoE", "--include=*.[ch]", r"ALLOW_ERROR_INJECTION\(\w+,", *folders]
    _, output = output_of(argv, cwd=source)
    return set(_INJECTABLE.findall(output))
