# SPDX-License-Identifier: GPL-2.0-only
"""Fuzzing of handlers: the same sources as programs of libFuzzer, under ASan and UBSan.

`python -m harness.handlers.fuzz FOLDER` fuzzes the shipped handlers, a minute each. The folder gets
the fuzzers, what they learn, and the inputs that end them. The exit status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING

from harness.handlers.build import handler_tree
from harness.handlers.compilation import Compilation, run_tool
from harness.handlers.recipes import RECIPES, Recipe
from harness.host.commands import clean_environment, find_tool, output_of, process_group
from harness.host.errors import UserError
from harness.host.paths import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SANITIZERS = "address,undefined"
_CC = (
    *("clang-19", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"),
    *(f"-fsanitize=fuzzer-no-link,{_SANITIZERS}", "-fno-sanitize-recover=all"),
    *("-fno-omit-frame-pointer", "-DUMD_HOST", "-Dmain=umd_main"),
)
_LINK = ("clang-19", f"-fsanitize=fuzzer,{_SANITIZERS}")
_KIT = ("kit/arena.c", "kit/answer.c", "fuzz/fuzz.c", "fuzz/replies.c")
_RUNTIME = "libclang_rt.fuzzer-x86_64.a"
"""libFuzzer, which clang does not need for other programs."""

_INPUT_SECONDS = 60
"""How long one input may take; far more than any takes."""

_GRACE = 300.0
"""Seconds beyond those asked for until a fuzzer counts as hung: it reads all seeds first."""

_EXECUTIONS = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_COVERED = re.compile(r"^#\d+\t.* cov: (\d+) ft: (\d+)", re.MULTILINE)
_EDGES = re.compile(r"^INFO: Loaded 1 modules +\((\d+) inline 8-bit counters\)", re.MULTILINE)
_KEPT = re.compile(r"Test unit written to (.+)$", re.MULTILINE)
_COMPLAINT = re.compile(r"ERROR: \w+: [\w-]+|runtime error: .+|a reply breaks: .+")


@dataclass(frozen=True)
class Fuzzed:
    """What a fuzzer did."""

    name: str
    executions: int
    edges: int
    """The edges of the program that were taken, of `all_edges`."""

    all_edges: int
    features: int
    """What libFuzzer tells apart: edges by how often they are taken, and compared values."""

    input: Path | None = None
    """What ended the fuzzer, if something did."""

    complaint: str = ""
    """What is wrong then, and where."""

    def __str__(self) -> str:
        executed = f"{self.name}: {self.executions} executions"
        if self.input is not None:
            return f"{executed}, CRASH: {self.complaint}; the input is {self.input}"
        edges = f"{self.edges} of {self.all_edges} edges"
        return f"{executed}, {edges}, {self.features} features, no crash"


def build_fuzzer(name: str, recipe: Recipe, program: Path, *, tree: Path, planted: bool) -> None:
    """Build the fuzzer of a handler; `planted` has a bug of one byte. Raises UserError."""
    _, runtime = output_of(["clang-19", f"-print-file-name={_RUNTIME}"])
    if not Path(runtime.strip()).is_absolute():
        raise UserError("libFuzzer is missing", hint="apt-get install libclang-rt-19-dev")
    flags = [f"-DUMD_PLANTED={int(planted)}"]
    if RECIPES.get(name) == recipe:
        flags.append(f"-DUMD_CHECK=umd_check_{name}")
    with TemporaryDirectory() as scratch:
        build = Compilation(recipe, tree, Path(scratch), (*_CC, *flags))
        objects = build.objects(_KIT, ())
        run_tool([*_LINK, "-o", str(program), *map(str, objects)], what=recipe.source)


def fuzz(
    program: Path,
    recipe: Recipe,
    *,
    seeds: Path | None,
    seconds: int,
    tree: Path,
    stop: Event | None = None,
) -> Fuzzed:
    """Run a fuzzer until it finds something, the time is over, or `stop` is set.

    It keeps the inputs that reach something new beside it, and begins with those the next time.
    Raises UserError if the fuzzer itself fails or is stopped.
    """
    corpus = program.with_suffix(".corpus")
    corpus.mkdir(exist_ok=True)
    argv = [
        *(str(program), str(corpus), *([str(seeds)] if seeds else [])),
        *(f"-max_total_time={seconds}", f"-max_len={recipe.request_size + 1}"),
        *(f"-timeout={_INPUT_SECONDS}", "-use_value_profile=1", "-print_final_stats=1"),
        f"-artifact_prefix={program}-",
    ]
    # A parser has no memory of its own to leak.
    options = f"detect_leaks=0:external_symbolizer_path={find_tool('addr2line')}"
    env = {**clean_environment(), "ASAN_OPTIONS": options}
    with process_group(argv, cwd=program.parent, env=env) as process:
        output = _output(process, program, end=time.monotonic() + seconds + _GRACE, stop=stop)
    said = output.decode(errors="replace")
    log = program.with_suffix(".log")
    log.write_text(said)
    kept, executed, covered = _KEPT.search(said), _EXECUTIONS.search(said), _COVERED.findall(said)
    edges = _EDGES.search(said)
    if not (executed and edges) or bool(process.returncode) != bool(kept):
        raise UserError(f"the fuzzer {program} failed", hint=f"its output is {log}")
    taken, features = covered[-1] if covered else (0, 0)
    return Fuzzed(
        name=program.name,
        executions=int(executed[1]),
        edges=int(taken),
        all_edges=int(edges[1]),
        features=int(features),
        input=Path(kept[1]) if kept else None,
        complaint=_complaint(said, recipe, tree) if kept else "",
    )


def _output(
    process: subprocess.Popen[bytes], program: Path, *, end: float, stop: Event | None
) -> bytes:
    """Return what a fuzzer has written when it has ended. Raises UserError if it is stopped."""
    while True:
        try:
            return process.communicate(timeout=1)[0]
        except subprocess.TimeoutExpired as error:
            if stop is not None and stop.is_set():
                raise UserError(
                    f"the fuzzer {program} was stopped", hint="start it again"
                ) from error
            if time.monotonic() > end:
                raise UserError(f"the fuzzer {program} hangs", hint="run it by hand") from error


def _complaint(said: str, recipe: Recipe, tree: Path) -> str:
    """Return what is wrong, and the first place of the handler or of the tree in the report."""
    what = _COMPLAINT.search(said)
    own = (HANDLERS / recipe.source).parent
    folders = "|".join(re.escape(str(folder)) for folder in (HANDLERS, own, tree))
    where = re.search(rf"(?:{folders})/\S+?:\d+", said[max(0, said.find("ERROR: ")) :])
    whose = "the kernel's own code" if where and where[0].startswith(str(tree)) else "the handler"
    place = f" at {where[0]}" if where else ""
    return f"{what[0] if what else 'it ended'}, in {whose}{place}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and run the fuzzers of shipped handlers, or of a handler of the user's."""
    parser = argparse.ArgumentParser(prog="python -m harness.handlers.fuzz", allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="where the fuzzers and what they find go")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which handlers; else all")
    parser.add_argument("--source", type=Path, help="the C file of your own handler")
    parser.add_argument("--seeds", type=Path, help="a folder with a folder of inputs for each NAME")
    parser.add_argument("--seconds", type=int, default=60, help="for each; 60 by default")
    parser.add_argument(
        *("--jobs", "-j"),
        type=int,
        default=os.cpu_count() or 1,
        help="how many are fuzzed at once; by default one for each CPU",
    )
    parser.add_argument(
        "--planted", action="store_true", help="plant a bug of one byte, which must be found"
    )
    options = parser.parse_args(arguments)
    recipes: Mapping[str, Recipe] = RECIPES
    if options.source:
        recipes = {options.source.stem: Recipe(str(options.source.resolve()))}
    names = options.names or list(recipes)
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    if unknown := [name for name in names if name not in recipes]:
        parser.error(f"there is no handler {unknown[0]}; take {', '.join(recipes)}")
    crashes = 0
    stop = Event()
    try:
        folder = options.folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        tree = handler_tree()

        def build_and_fuzz(name: str) -> Fuzzed:
            program, recipe = folder / name, recipes[name]
            build_fuzzer(name, recipe, program, tree=tree, planted=options.planted)
            seeds = options.seeds.resolve() / name if options.seeds else None
            return fuzz(program, recipe, seeds=seeds, seconds=options.seconds, tree=tree, stop=stop)

        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                for done in pool.map(build_and_fuzz, names):
                    sys.stdout.write(f"{done}\n")
                    sys.stdout.flush()
                    crashes += done.input is not None
            except BaseException:  # Ctrl-C comes here alone, and the pool waits for its threads
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except UserError as error:
        sys.stderr.write(f"umd-harness: {error}\n")
        return 2
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
