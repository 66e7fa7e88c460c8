# SPDX-License-Identifier: GPL-2.0-only
"""The table of bad inputs: each ends with 2 and one line, before anything is built or written.

The line says what happened and, after a semicolon, what to do.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run

from harness.cli.main import main
from harness.cli.parser import COMMANDS
from harness.lab.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "is not a whole number from 1 on; for example 2"
LINE = "--line: there is no kernel line 6.13; take 6.1, 6.12, 7.2"
ABSENT = "nowhere/x is in a directory that does not exist; name a "
UNWRITABLE = (
    "results cannot be written to text: Not a directory; make that folder writable, or name"
)
CUT = "results.jsonl has 5 cells, and run.json counts 28: results were lost or added; run the"

TABLE = {
    "": "no command is given; see `umd-harness --help`",
    "rum": "there is no command 'rum'; did you mean run?",
    "--verison": "there is no option --verison; did you mean --version?",
    "demo --results text": UNWRITABLE,
    "demo now": "demo does not take the word 'now'; see `umd-harness demo --help`",
    "doctor --line 6.13": LINE,
    "doctor now": "doctor does not take the word 'now'; see `umd-harness doctor --help`",
    "build --tree nowhere": "nowhere; name a kernel tree with --tree",
    "build --tree folder": "folder is not a kernel tree: it has no Makefile, Kconfig, init and",
    "build --patches nowhere": "nowhere; name a folder, series or mbox",
    "build --patches folder": "folder, and no quilt series file; name another folder, or an mbox",
    "build --patches text": "text is neither a patch nor an mbox nor a list of patches; an mbox",
    "build --patches versions.mbox": "has v1 and v2 of “x”; keep the mails of one version: b4 am",
    "build --with-library": "is for a tree or patches of yours; leave it out: 6.12 has the library",
    "build --skip-docs": "is for patches of yours; add --patches, or leave it out",
    "build --skip-docs --config text": "no patches are applied; add --patches or",
    "build --config nowhere": "there is no file nowhere; correct the name",
    "build --config text": "text, line 1 is not a configuration line: nonsense; write CONFIG_NAME",
    "build --config binary": "binary cannot be read as kernel options: ",
    "build --config empty": "empty sets no kernel option; write CONFIG_NAME=value",
    "build --kernel text": "--kernel and --vmlinux go together: ",
    "build --vmlinux text": "--kernel and --vmlinux go together: ",
    "build --kernel text --vmlinux text --config text": "is already built: nothing can be added",
    "build --variant isolated": "there is no option --variant of build; see `umd-harness build -",
    "list --format svg": "--format: there is no value 'svg'; take one of: text, markdown, json",
    "list -k nothnig": "no cell matches -k 'nothnig'; did you mean nothing?",
    "list --variant isolatde": "there is no variant 'isolatde'; did you mean isolated?",
    "list --line 6.13": LINE,
    "list --handler x508": "--handler: there is no value 'x508'; did you mean x509?",
    "bench --fresh -n 5": "5 machines are too few; take -n 6 or more",
    "bench --handlers -n 5": "5 machines are too few; take -n 6 or more",
    "bench --handlers --corpus x509": "'x509' is no corpus; take HANDLER=DIR; the handlers are ",
    "bench --handlers --corpus x509=nowhere": "'nowhere' is no folder; name one with files for",
    "bench --corpus x509=.": "--corpus is for --handlers; add --handlers, or leave out --corpus",
    "list --variant-file nowhere.toml": "nowhere.toml cannot be read: No such file or directory;",
    "list --scenario nowhere.py": "nowhere.py; name a file that ends in .py",
    "list --scenario text": "text is not a Python file; name a file that ends in .py",
    "list --scenario syntax.py": "syntax.py:1: SyntaxError: ",
    "list --scenario empty.py": "empty.py declares no scenario; decorate a function with @scenario",
    "run isolated": "run does not take the word 'isolated'; choose cells with -k isolated",
    "run -k": "-k: expected one argument; see `umd-harness run --help`",
    "list -k forged_key": "forged_key attacks another handler: add --handler x509",
    "list -k forged_signed_key": "forged_signed_key attacks another handler: add --handler pkcs7",
    "list -k forged_openpgp_key": "forged_openpgp_key attacks another handler: add --handler pgp",
    "list -k forged_digest": "forged_digest attacks another handler: add --handler rpm",
    "run -k nothnig": "no cell matches -k 'nothnig'; did you mean nothing?",
    "run -k isolatde": "no cell matches -k 'isolatde'; did you mean isolated",
    "run -k '(nothing'": "a parenthesis is not closed; for example: -k ",
    "run --variant isolatde": "there is no variant 'isolatde'; did you mean isolated?",
    "run --variant x": "there is no variant 'x'; take one of: baseline, ",
    "run --variant-file nowhere.toml": "nowhere.toml cannot be read: No such file or directory;",
    "run --variant-file text": "text: it is not TOML: ",
    "run --scenario raises.py": "raises.py:1: ZeroDivisionError: division by zero; correct the",
    "run --attack nowhere": "there is no attack program nowhere: No such file or directory; name a",
    "run --attack folder": "folder is not a regular file; name a static program or a C file",
    "run --attack text": "text is not a program (ELF), or is damaged; build it for x86-64: gcc -st",
    "run --attack broken.c": "broken.c does not compile: broken.c:1:",
    "run --effect integrity": "--effect needs an attack program; name the program with --attack",
    "run --attack a --effect harm": "--effect: there is no value 'harm'; take one of: integrity, ",
    "run --attack a --attack-reach 'a b'": "'a b' is not the name of a kernel function; for examp",
    "run --attack a --attack-timeout 0": f"--attack-timeout: 0 {NUMBER}",
    "run --attack a --attack-timeout 201": "an attack program cannot have 201 s; give it from 1 to",
    "run --jobs many": f"--jobs: many {NUMBER}",
    "run --line 6.13": LINE,
    "run --engine bochs": "--engine: there is no value 'bochs'; take one of: microvm, virtme,",
    "run --engine virtme --variant smack": "--engine virtme does not load the policy of smack;",
    "run --keep core": "--keep: there is no value 'core'; did you mean vmcore?",
    "run --matrix --only-problems": "contradict each other; give one of them",
    "run --format junit": "--format: there is no value 'junit'; take one of: text, ktap",
    "run --results text": UNWRITABLE,
    "run --results text --config text": UNWRITABLE,
    "run --resume nowhere": "there is no run nowhere, neither here nor in results; name one,",
    "run --resume folder": "folder is not the folder of a run: it has no run.json; name one,",
    "run --resume": "the run whole is complete: no cell is left; run its failed cells again with",
    "run --resume damaged": "damaged is not a run of `umd-harness run`; repeat the command",
    "run --resume -k nothing": "--resume takes -k from the run; leave out -k, or --resume",
    "run --resume cut --tree x": "--resume takes --tree from the run; leave out --tree, or --re",
    "run --shard 3": "--shard: '3' is no shard; give I/N with I up to N, such as 2/4",
    "run --shard 3/2": "--shard: '3/2' is no shard; give I/N with I up to N, such as 2/4",
    "run --shard 1/2 --balance nowhere": "there is no run nowhere, neither here nor in results; n",
    "run --since nowhere": "there is no run nowhere, neither here nor in results; name one,",
    "run --since cut": CUT,
    "run --since latest --verify-kept 0%": "--verify-kept: 0% is not more than 0% and up to 100%;",
    "run --verify-kept 5%": "--verify-kept is about kept cells; add --since, or leave it out",
    "run --resume cut --since x": "--resume takes --since from the run; leave out --since, or",
    "run --balance latest": "--balance divides cells for --shard; add --shard, or leave it out",
    "run --resume cut --shard 1/2": "--resume takes --shard from the run; leave out --shard, or",
    "run -k ''": "-k '' cannot be read: a word is missing; for example: -k 'ptrace and not",
    "run --on nonsense": "nonsense is neither an address nor a scheduler file: No such file",
    "run --on tcp://127.0.0.1:1 --engine image": "--on does not take --engine image; run them here",
    "run --failed nowhere": "there is no run nowhere, neither here nor in results; name one,",
    "run --failed cut": CUT,
    "run --failed --variant x": "--failed takes --variant from the run; leave out --variant, or -",
    "run --failed --resume": "--resume and --failed contradict each other; give one of them",
    "run --resluts x": "there is no option --resluts of run; did you mean --results?",
    "repeat -n 0": f"-n/--rounds: 0 {NUMBER}",
    "repeat --results text": UNWRITABLE,
    "repeat -k nothnig": "no cell matches -k 'nothnig'; did you mean nothing?",
    "shell": "shell needs a terminal, and standard input or output is none; run it in a terminal",
    "shell --variant x": "there is no variant 'x'; take one of: baseline, ",
    "shell --prepare nothnig": "there is no scenario 'nothnig'; did you mean nothing?",
    "shell --at after": "--at says where in a scenario; name it with --prepare",
    "shell --at middle": "--at: there is no value 'middle'; take one of: before, after",
    "shell --prepare nothing --boot": "a scenario starts from a machine that is up; leave out --b",
    "shell --boot -- id": "a command runs in a machine that is up; leave out --boot",
    "shell --variant x -- id": "there is no variant 'x'; take one of: baseline, ",
    "surface --diff": "--diff: expected at least one argument; see `umd-harness surface --help`",
    "surface --diff nowhere": "there is no kernel nowhere; take 6.1, 6.12, 7.2 or the path of a",
    "surface --diff stock nowhere": "stock comes first, then a line; --diff stock 6.12",
    "surface --diff 6.1 6.12 7.2": "--diff compares two kernels; name one or two",
    "surface --built-tree nowhere": "nowhere has no vmlinux: it is not built; name the folder th",
    "surface --probe --built-tree folder": "--probe writes to a guest of --line; leave out --bu",
    "bench -n 3": "3 measurements are too few; take -n 7 or more",
    "bench --system -n 3": "3 pairs of machines are too few; take -n 6 or more",
    "bench --system --config text": "--system compares the kernels of a line, not one of your own;",
    "bench --output nowhere/x": ABSENT,
    "bench --output folder": "folder is a directory; name a file in an existing directory with --o",
    "bench --cells": "there is no option --cells of bench; see `umd-harness bench --help`",
    "defences --enough safety": "--enough: there is no value 'safety'; take one of: integrity,",
    "defences --enough all --without access": "are about all defences; leave out --without",
    "defences --rediscover 1": "--rediscover: 1 is not a time; for example 90s, 10min or 1h",
    "defences --rediscover 1h --enough all": "--enough and --rediscover cannot be combined; give",
    "defences --start-from latest": "--start-from works only with --rediscover; give both",
    "defences --output other.json": "other.json does not describe defences of this version; write",
    "defences --output nowhere/x": ABSENT,
    "defences --results text": UNWRITABLE,
    "campaign --for 1": "--for: 1 is not a time; for example 90s, 10min or 1h",
    "campaign --for 0s": "--for: 0s is not a time; for example 90s, 10min or 1h",
    "campaign --seed a/b": "--seed: 'a/b' is not a seed; take up to 32 letters and digits",
    "campaign --batch 257": "--batch: 257 is too much; a batch has at most 256",
    "campaign --variant isolatde": "there is no variant 'isolatde'; did you mean isolated?",
    "campaign --variant-file nowhere.toml": "nowhere.toml cannot be read: No such file or dir",
    "campaign --seeds nowhere": "nowhere",
    "campaign --known nowhere": "there is no run nowhere, neither here nor in",
    "campaign --results text": UNWRITABLE,
    "defences --without acess": "there is no defence 'acess'; did you mean access?",
    "export --line 6.13": LINE,
    "findings": "no run is named; name one, such as `latest`",
    "findings nowhere": "there is no run nowhere, neither here nor in results; name one,",
    "findings cut": CUT,
    "findings text.json": "text.json is damaged: ",
    "findings words.json": "words.json says 'won' of nothing, which is no result; write it again:",
    "findings other.json": "other.json is not the summary of a run of this version; write it again",
    "findings latest --defences nowhere": "nowhere cannot be read: No such file or direct",
    "findings latest --defences other.json": "does not describe defences of this version; write it",
    "findings latest --mail --summaries folder": "--summaries writes summaries and no findings;",
    "findings latest --summaries nowhere": "cannot be written to nowhere: No such file",
    "findings latest --output nowhere/x": ABSENT,
    "export --output-directory nowhere/x": ABSENT,
    "export --output-directory text": "text is not a directory; name a folder, or a new name in",
    "export --bench text": "text cannot be read: Expecting value: ",
    "export --run nowhere": "there is no run nowhere, neither here nor in results; name one, such",
    "compare latest": "the following arguments are required: NEW; see `umd-harness compare --help`",
    "compare latest nowhere": "there is no run nowhere, neither here nor in results; name one,",
    "compare latest latest latest": "compare does not take the word 'latest'; see `umd-harness",
    "compare latest latest --format pdf": "--format: there is no value 'pdf'; take one of: text, ",
    "compare latest latest --output nowhere/x": ABSENT,
    "compare latest latest --map a": "--map: 'a' is not OLD=NEW; for example baseline=isolated",
    "compare latest latest --map a=b": "--map names a, which is no line or variant of the old run;",
    "compare latest latest --fail-on better": "--fail-on: 'better' is no kind; take one of:",
    "compare latest latest --fail-on never,worse": "never goes with nothing else; leave out the",
    "compare latest whol": "neither here nor in results; did you mean whole?",
    "compare latest cut": CUT,
    "compare latest damaged": "results.jsonl is damaged in line 1: ",
    "compare latest folder": "folder is not the folder of a run: it has no run.json; name one,",
    "report nowhere": "there is no run nowhere, neither here nor in results; name one, such as ",
    "report folder": "folder is not the folder of a run: it has no run.json; name one,",
    "report damaged": "no result of the run damaged can be read: lines of results.jsonl th",
    "report latest --against whol": "neither here nor in results; did you mean whole?",
    "report latest --bench nowhere": "nowhere cannot be read: No such file or directory; na",
    "report latest --bench text": "text is damaged: ",
    "report latest --output nowhere/x": ABSENT,
    "show latest": "the following arguments are required: CELL; see `umd-harness show --help`",
    "show nowhere x": "there is no run nowhere, neither here nor in results; name one,",
    "show cut nothing": CUT,
    "show latest nothnig": "no cell of the run has 'nothnig' in its id; name a part of its id,",
    "show latest nothing": "4 cells of the run have 'nothing' in their ids; name one: 6.12-",
    "show latest isolated-nothing --format pdf": "--format: there is no value 'pdf'; take one of: ",
    "show latest isolated-nothing --output nowhere/x": ABSENT,
    "merge": "no run is named; name the runs, such as results/2*",
    "merge nowhere": "there is no run nowhere, neither here nor in results; name one,",
    "merge cut": CUT,
    "merge whole": "the code of the harness is not that of the runs (commit ); merge them with the",
    "merge whole --output folder": "folder is there already; name a new folder with --output",
    "table": "the following arguments are required: RUN; see `umd-harness table --help`",
    "table cut": CUT,
    "table latest --variant isolatde": "neither in the run whole nor here; did you mean isolated?",
    "table latest --output nowhere/x": ABSENT,
    "convert": "the following arguments are required: RUN; see `umd-harness convert --help`",
    "convert cut": CUT,
    "convert latest --format junit": "--format: there is no value 'junit'; take one of: ktap, kc",
    "convert latest --origin my_ci": "--origin is for KCIDB; add --format kcidb, or leave it out",
    "convert latest --format kcidb --origin My-CI": "the origin 'My-CI' has characters other than",
    "convert latest --output nowhere/x": ABSENT,
    "bisect": "the following arguments are required: -k; see `umd-harness bisect --help`",
    "bisect -k nothnig": "no cell matches -k 'nothnig'; did you mean nothing?",
    "bisect -k nothing --patches nowhere": "nowhere; name a folder, series or mbox",
    "bisect -k nothing --tree folder": "folder is not a kernel tree: it has no Makefile, Kconfig,",
    "bisect -k nothing --kernel text --vmlinux text": "is already built: it has no steps; name a",
    "bisect -k nothing --good 99": "step 99 cannot be tried; name a number from ",
    "bisect -k nothing --good nonsense": "no commit has 'nonsense' in its subject; the first is ",
    "bisect -k nothing --good 9 --bad 9": "both ends of the search are step 9; name another end",
    "kselftest secomp": "there is no selftest 'secomp'; did you mean seccomp?",
    "kselftest mm/nowhere": "there is no selftest 'mm/nowhere'; name a program or one of seccomp, ",
    "kselftest --rounds 0": f"-n/--rounds: 0 {NUMBER}",
    "kselftest --results text": UNWRITABLE,
    "completion": "the following arguments are required: SHELL; see `umd-harness completion --h",
    "completion tcsh": "there is no shell 'tcsh'; take one of: bash, zsh, fish",
    "clean all": "clean does not take the word 'all'; see `umd-harness clean --help`",
    "export --output mails": "no option --output of export; did you mean --output-directory?",
    "clean --al": "there is no option --al of clean; did you mean --all?",
}
"""By what is typed after `umd-harness`, a part of the line that is printed."""

SUMMARY = (
    '{"schema": 1, "run": "x", "line": "6.12", "release": "", "image": "", "commit": "", '
    '"engine": "", "accelerator": "", "finished": null, "error": null, "stopped_by": null, '
    '"cells": {"nothing": {"baseline": "won"}}}\n'
)

FILES = {
    "text.json": "nonsense\n",
    "other.json": '{"schema": 99}\n',
    "words.json": SUMMARY,
    "text": "nonsense\n",
    "empty": "",
    "syntax.py": "def x(:\n",
    "empty.py": "",
    "versions.mbox": "".join(
        f"From a@example.org Mon Sep 17 00:00:00 2001\nFrom: A\nSubject: [PATCH {version}] x\n"
        f"Message-ID: {version}\n\n---\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\n"
        for version in ("v1", "v2")
    ),
    "raises.py": "1 / 0\n",
    "broken.c": "int main(",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files and runs that the table names. No lab can be opened there."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary").write_bytes(b"\0\xff")
    (tmp_path / "folder").mkdir()
    damaged = keep_run(tmp_path / "results", "damaged") / "results.jsonl"
    damaged.write_text("{]\n")
    cut = keep_run(tmp_path / "results", "cut", header={"counts": {"cells": 28}}) / "results.jsonl"
    cut.write_text("".join(cut.read_text().splitlines(keepends=True)[:5]))
    ended = {"arguments": ["run"], "counts": {"cells": 28}}
    keep_run(tmp_path / "results", "whole", header=ended)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(Lab, "open", _no_lab)
    return tmp_path


def _no_lab(*_: object, **__: object) -> None:
    raise AssertionError("the input was not refused before the build")


def test_each_bad_input_is_one_line_that_says_what_to_do(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in place.iterdir()}
    for typed, said in TABLE.items():
        status, out, error = outcome_of(typed, capsys)
        assert status == 2, typed
        assert out == "", typed
        assert error.startswith("umd-harness: "), typed
        assert said in error, typed
        assert "; " in error, typed
        assert error.index("\n") == len(error) - 1, typed
    assert {path.name for path in place.iterdir()} <= before | {"cache"}
    made = {path.name for path in (place / "cache/umd-harness").iterdir()}
    assert not made & {"build", "images", "guests", "machines", "states"}


def outcome_of(typed: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Run a command in this process; return its exit status and what it printed."""
    status: object
    try:
        status = main(shlex.split(typed))
    except SystemExit as ended:
        status = ended.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_table_has_each_command() -> None:
    assert {command.name for command in COMMANDS} <= {f"{typed} ".split(" ")[0] for typed in TABLE}
    assert len(TABLE) >= 60
