# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness export`: the series of a kernel line as mails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.cli.command import Command
from harness.cli.declare import option, switch
from harness.cli.options import RUN, line_option, results_option
from harness.cli.output import say


@dataclass(frozen=True)
class Options:
    """The options of `export`."""

    line: str = line_option()
    core: bool = switch(
        "--core", help="write the first part alone: the library and most of the isolation"
    )
    hardening: bool = switch(
        "--hardening", help="write the second part alone, which goes on top of the first"
    )
    filter: bool = switch(
        "--filter",
        help="write the third part alone, a seccomp filter, which goes on top of the second",
    )
    without_witness: bool = switch(
        "--without-witness", help="leave out the witness, which is for tests only"
    )
    signoff: bool = switch("--signoff", help="add your Signed-off-by to each patch")
    checksums: bool = switch(
        "--checksums", help="print the SHA-256 of each file that git am makes of the mails"
    )
    folder: Path | None = option(
        "--output-directory",
        convert=Path,
        default=None,
        metavar="DIR",
        help="write the mails to this folder (default: export/LINE, or export/LINE/PART)",
    )
    run: str | None = option(
        "--run",
        convert=str,
        default=None,
        metavar="RUN",
        help=f"the run that the cover letter quotes: {RUN} (default: latest, if there is one)",
    )
    results: Path = results_option()
    bench: Path | None = option(
        "--bench",
        convert=Path,
        default=None,
        metavar="FILE",
        help="the JSON file with the cost of isolation that the cover letter quotes (default: "
        "none)",
    )


def run(options: Options) -> int:
    """Write the mails. Raises UserError."""
    from harness.export.command import Wanted, export
    from harness.host.errors import UserError
    from harness.host.output_paths import check_output_folder
    from harness.kernel.series.commits import Part

    parts = [part for part in Part if getattr(options, part, False)]
    if len(parts) > 1:
        raise UserError(
            f"--{parts[0]} and --{parts[1]} are two series",
            hint="export one of them, and then the other to another folder",
        )
    if options.folder:
        check_output_folder(options.folder)
    wanted = Wanted(
        line=options.line,
        output=options.folder or Path("export", options.line, *parts),
        part=parts[0] if parts else None,
        witness=not options.without_witness,
        signoff=options.signoff,
        checksums=options.checksums,
        run=options.run,
        results=options.results,
        bench=options.bench,
    )
    export(wanted, say=say)
    return 0


COMMAND = Command(
    "export",
    "write the kernel patches as mails, for git am and git send-email",
    "The mails are written only if git am turns them into the tree that the harness builds.",
    Options,
    run,
    examples={
        "export --without-witness --signoff": "write the series that you would post",
        "export --core --signoff": "write the series that you would post first",
        "export --run latest --bench figures.json": "quote a run and the cost of isolation",
        "export --line 6.1 --output-directory mails": "write another line's series to a folder",
    },
)
