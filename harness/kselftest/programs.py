# SPDX-License-Identifier: GPL-2.0-only
"""The selftests' programs: built from the line's own tree, kept in the cache by content."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.cache.notes import write_note
from harness.cache.places import KSELFTESTS
from harness.cache.store import Store
from harness.host.commands import output_of
from harness.host.errors import UserError
from harness.host.paths import GUEST_IMAGES, KERNEL_PATCHES, cache_dir
from harness.host.suggestion import hint_for
from harness.kernel.build.make import RECIPE, VARIABLES, make
from harness.kernel.build.toolchain import toolchain
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import find_source
from harness.kernel.source.tree import prepare
from harness.kselftest.obstacles import causes, obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    # The collections that the requirement names.
    "seccomp": (),
    "ptrace": (),
    "cgroup": (),
    "pidfd": (),
    # Collections for what acts on other tasks, is inherited, or is limited by the isolation.
    "breakpoints": (),
    "clone3": (),
    "core": (),
    "exec": (),
    "futex/functional": (),
    "membarrier": (),
    "perf_events": (),
    "user_events": (),
    # Locked memory, whose accounting the series changes, and swap. The other programs of `mm` are
    # benchmarks or need huge pages; its own list is a script with arguments for each.
    "mm": (
        *("mlock2-tests", "mlock-random-test", "mrelease_test", "madv_populate", "memfd_secret"),
        *("mremap_test", "mremap_dontunmap", "mdwe_test", "mkdirty", "soft-dirty", "cow"),
        *("ksm_functional_tests", "droppable", "mseal_test", "map_fixed_noreplace"),
    ),
}
"""The folders of tools/testing/selftests with the programs to run; an empty tuple means all."""

NOT_RUN = {
    "seccomp/seccomp_benchmark": "compares nanoseconds, which are random on an emulated processor, "
    "and takes minutes",
    "breakpoints/step_after_suspend_test": "suspends the machine, and nothing wakes it",
}
"""Programs whose results mean nothing here, and why."""

NEEDS = {
    "cgroup/test_freezer": ("INOTIFY_USER",),
    "cgroup/test_kill": ("INOTIFY_USER",),
}
"""Kernel options that a program needs although its collection does not list them.

Without them these programs fail or wait for ever for a change of cgroup.events.
"""

SELFTESTS = "tools/testing/selftests"
MEMBERS = (
    *("Kbuild", "Makefile", "scripts/*", "include/*", "arch/x86/*", "usr/*", "tools/*"),
    *("*/Kbuild", "mm/gup_test.h"),
)
"""The parts of the kernel's source that make the headers for user space and the selftests."""

_FLAGS = "-static -s"
"""Flags for the linker, because a guest has no libraries and little memory."""
_LINE_BUFFERED = GUEST_IMAGES / "kselftest" / "line_buffered.c"

_RECIPE = 2
"""Raise it when what is kept of a build changes in a way that no hashed input shows."""

_LIBRARIES = {"libc.a": "libc6-dev", "libcap.a": "libcap-dev"}
_KEPT = 2  # builds, about 60 MB each
_LOCK_SECONDS = 1200.0
_LIST = "programs.json"
_OPTION = re.compile(r"^CONFIG_(\w+)=[ym]$", re.MULTILINE)


@dataclass(frozen=True)
class Selftest:
    """A test program: `<collection>/<file>`, and why it cannot run in a guest, if it cannot."""

    name: str
    obstacle: str = ""

    @property
    def collection(self) -> str:
        """The folder it belongs to."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class Selftests:
    """The built programs, and the folder that holds them and their data.

    `options` has the kernel options that each collection asks for, without their prefix.
    """

    folder: Path
    programs: tuple[Selftest, ...]
    options: Mapping[str, frozenset[str]]

    def files(self, program: Selftest) -> Iterator[Path]:
        """Yield the files that the guest needs for a program: itself, and the folder's data.

        A script may run any other program of the folder, so it gets all of them.
        """
        is_script = program.name.endswith(".sh")
        others = {one.name for one in self.programs if not is_script} - {program.name}
        for path in sorted((self.folder / program.collection).iterdir()):
            if f"{program.collection}/{path.name}" not in others:
                yield path


class _Listed(msgspec.Struct):
    """The note about what was built."""

    programs: dict[str, str]
    """By program, why it cannot run in a guest; empty if it can."""

    options: dict[str, list[str]]
    """By collection, the kernel options that it asks for, without their prefix."""


def selftests(line: str, *, progress: Callable[[str], None]) -> Selftests:
    """Find the programs of a kernel line in the cache, or build them. Raises UserError."""
    store = Store(KSELFTESTS.path(), seconds=_LOCK_SECONDS, kept=_KEPT)
    place = store.find_or_make(_key(line), lambda new: _make(line, new, progress=progress))
    listed = msgspec.json.decode((place / _LIST).read_bytes(), type=_Listed)
    return Selftests(
        place,
        tuple(
            Selftest(name, NOT_RUN.get(name, obstacle))
            for name, obstacle in listed.programs.items()
        ),
        {name: frozenset(options) for name, options in listed.options.items()},
    )


def _key(line: str) -> str:
    """Hash all that the programs are made from: tarball, series, compiler, libraries."""
    series = load_series(line, patches=KERNEL_PATCHES)
    source = find_source(line, cache=cache_dir())
    recipe = [_RECIPE, COLLECTIONS, MEMBERS, _FLAGS, RECIPE]
    digest = hashlib.sha256(repr([source.digest, toolchain(), recipe]).encode())
    for _, content in series.content():
        digest.update(hashlib.sha256(content).digest())
    for path in (*map(_library, _LIBRARIES), _LINE_BUFFERED):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _library(name: str) -> Path:
    """Find a static library; the compiler answers with the bare name if there is none."""
    path = Path(output_of(["gcc", f"-print-file-name={name}"])[1].strip())
    if not path.is_file():
        raise UserError(f"{name} is missing", hint=f"apt-get install {_LIBRARIES[name]}")
    return path


def _make(line: str, new: Path, *, progress: Callable[[str], None]) -> None:
    """Build in the scratch folder beside `new`, and keep what a guest needs."""
    tree = BuildTree(new.parent)
    prepare(
        tree,
        source=find_source(line, cache=cache_dir()),
        series=load_series(line, patches=KERNEL_PATCHES),
        progress=progress,
        members=MEMBERS,
    )
    progress("kselftest: compiling")
    make(tree, ["headers"])
    flags = f"USERLDFLAGS={_FLAGS} {compile_line_buffered(tree.root)}"
    targets = ["all", f"TARGETS={' '.join(COLLECTIONS)}", flags]
    # A program that does not compile must not keep make from the others.
    make(tree, ["--keep-going", *targets], folder=SELFTESTS)
    _collect(tree, new)
    shutil.copyfile(tree.log, new / "build.log")


def compile_line_buffered(folder: Path) -> Path:
    """Compile the object that every program is linked with."""
    target = folder / "line_buffered.o"
    status, said = output_of(["gcc", "-O2", "-c", str(_LINE_BUFFERED), "-o", str(target)])
    if status:
        raise UserError(f"{_LINE_BUFFERED.name} does not compile: {said}", hint="correct the file")
    return target


def _collect(tree: BuildTree, new: Path) -> None:
    """Copy what was built, and note the programs and which of them cannot run."""
    built = tree.objects / "kselftest"
    complaints = causes(tree.log.read_text())
    listed = {}
    for collection, named in COLLECTIONS.items():
        target = new / collection
        target.mkdir(parents=True)
        for name in named or _emitted(tree, collection):
            source = tree.source / SELFTESTS / collection / name
            program = source if source.is_file() else built / collection / name
            cause = complaints.get(f"{collection}/{name}", "it was not built")
            if program.is_file():
                shutil.copy(program, target / name)
                listed[f"{collection}/{name}"] = obstacle(program)
            else:
                listed[f"{collection}/{name}"] = f"does not compile: {cause}"
        if not named:
            _copy_data(built / collection, target)
            shutil.copy(tree.source / SELFTESTS / collection / "Makefile", target)  # exec's data
    options = {name: _options(tree.source / SELFTESTS / name / "config") for name in COLLECTIONS}
    write_note(new / _LIST, _Listed(listed, options))


def _options(config: Path) -> list[str]:
    """Return the kernel options that a collection lists; many list none."""
    return _OPTION.findall(config.read_text()) if config.is_file() else []


def _emitted(tree: BuildTree, collection: str) -> list[str]:
    """Return the programs that a collection lists, in its own order."""
    folder = tree.source / SELFTESTS / collection
    output = tree.objects / "kselftest" / collection
    argv = ["make", "-s", "--no-print-directory", "-C", str(folder), f"OUTPUT={output}"]
    argv += [*VARIABLES, "COLLECTION=x", "emit_tests"]
    status, said = output_of(argv)
    names = [line.partition("x:")[2] for line in said.splitlines() if line.startswith("x:")]
    if status or not names:
        raise UserError(f"{SELFTESTS}/{collection} lists no tests", hint=" ".join(argv))
    return list(dict.fromkeys(names))


def _copy_data(built: Path, target: Path) -> None:
    """Copy the other built files: helpers, links, scripts, empty folders."""
    for path in sorted(built.iterdir()):
        copy = target / path.name
        if path.is_dir():
            copy.mkdir()
        elif not copy.exists():
            shutil.copy(path, copy, follow_symlinks=False)


def held_against(program: Selftest, options: Container[str]) -> Selftest:
    """Return the program as a kernel of these options can run it: with an obstacle, or without."""
    lacking = [option for option in NEEDS.get(program.name, ()) if option not in options]
    if not lacking or program.obstacle:
        return program
    return replace(program, obstacle=f"the kernel lacks {', '.join(lacking)}")


def check_names(names: Iterable[str]) -> None:
    """Raise UserError for a name that no build can have: of no collection, or not of its programs.

    Of some collections all programs are taken: only the build tells their names.
    """
    for name in names:
        collection, _, program = name.rpartition("/")
        listed = COLLECTIONS.get(collection) if program else None
        if name not in COLLECTIONS and (listed is None or (listed and program not in listed)):
            raise _no_selftest(name)


def chosen(programs: Iterable[Selftest], names: Iterable[str]) -> list[Selftest]:
    """Return the programs that were named, by themselves or by their collection; all if none was.

    Raises UserError for a name that is neither.
    """
    wanted, known = tuple(names), list(programs)
    every = {name for one in known for name in (one.name, one.collection)}
    for name in wanted:
        if name not in every:
            raise _no_selftest(name)
    return [p for p in known if not wanted or {p.name, p.collection} & set(wanted)]


def _no_selftest(name: str) -> UserError:
    return UserError(
        f"there is no selftest {name!r}",
        hint=hint_for(
            name, COLLECTIONS, otherwise=f"name a program or one of {', '.join(COLLECTIONS)}"
        ),
    )
