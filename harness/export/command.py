# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness export`: a line's series as mails, with proof that they make the tree we build."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.export.cost import cost
from harness.export.cover import cover_letter
from harness.export.identity import find_identity
from harness.export.measured import MeasuredRun
from harness.export.series_mails import Base, check_same, prepared, received, write_mails
from harness.export.unifdef import OPTION, Unifdef
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.build.plan import series_digest
from harness.kernel.series.series_file import load_series
from harness.kernel.source.tarball import SOURCE_DIR, checks_tree, find_source
from harness.kernel.source.tree import touched_files
from harness.results.run_name import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.kernel.series.commits import Part, Series


@dataclass(frozen=True)
class Wanted:
    """The options of an export; without a `run` it is the latest run below `results`.

    Without a `part` it is the whole series. A part never has the witness.
    """

    line: str
    output: Path
    part: Part | None = None
    witness: bool = True
    signoff: bool = False
    checksums: bool = False
    run: str | None = None
    results: Path = Path("results")
    bench: Path | None = None


def export(
    wanted: Wanted,
    *,
    say: Callable[[str], None],
    patches: Path = KERNEL_PATCHES,
    sources: Path = SOURCE_DIR,
) -> list[Path]:
    """Write the mails, print a summary, and return the mails. Raises UserError.

    With `checksums` in `wanted`, print the SHA-256 of each file that the mails make as well.
    """
    author = find_identity(Path.cwd())
    _check_empty(wanted.output)
    costs = cost(wanted.bench) if wanted.bench else ""
    measured = _measured(wanted, say)
    whole = load_series(wanted.line, patches=patches)
    with_witness = wanted.witness and wanted.part is None
    plain = whole if with_witness else whole.without_witness()
    series = plain if wanted.part is None else plain.up_to(wanted.part)
    below = replace(series, commits=()) if wanted.part is None else series.before(wanted.part)
    source = find_source(wanted.line, cache=cache_dir(), where=sources)
    base = Base.find(plain, source, cache=cache_dir())
    on = f"Linux {base.version}"
    if parts := _parts(below):
        on = f"the series {parts} on {on}"
    cover = cover_letter(
        patches,
        part=wanted.part,
        base=f"It applies to {on} as Debian has it, {source.tarball.name} with "
        f"the SHA-256 {source.digest[:16]}…."
        + (" The last patch adds the witness, which is for tests only." if with_witness else ""),
        measured=measured,
        series=series_digest(whole),
        cost=costs,
    )
    with TemporaryDirectory() as scratch:
        unifdef = None
        if not with_witness:
            unifdef = Unifdef.build(checks_tree(source, cache=cache_dir()), Path(scratch))
        built = prepared(series, base, unifdef=unifdef)
        since = len(below.commits)
        mails = write_mails(
            series,
            base,
            Path(scratch) / "mails",
            author=author,
            cover=cover,
            signoff=wanted.signoff,
            unifdef=unifdef,
            since=since,
        )
        check_same(built, received(mails.patches, base, author=author))
        written = _place(mails.series, wanted.output)
    names = touched_files(replace(series, commits=series.commits[since:]))
    for name in names if wanted.checksums else ():
        say(f"{built[name]}  {name}")
    less = "" if with_witness else f", less what depends on {OPTION}"
    more = "" if wanted.checksums else "; --checksums prints the SHA-256 of each"
    say(
        f"{len(written) - 1} patches and a cover letter by {author} in {wanted.output}: on {on}, "
        f"git am makes {len(names)} files of them, as the harness builds them{less}{more}"
    )
    return written


def _parts(series: Series) -> str:
    """Return the names of the parts whose commits these are, in words."""
    return " and ".join(dict.fromkeys(one.part for one in series.commits if one.part))


def _check_empty(output: Path) -> None:
    # Old patches must not stay: `git send-email DIR/*.patch` would send them as well.
    if any(output.glob("*.patch")):
        raise UserError(
            f"there are patches in {output} already",
            hint="remove them, or name another folder with --output-directory",
        )


def _measured(wanted: Wanted, say: Callable[[str], None]) -> MeasuredRun | None:
    if wanted.run is None and not (wanted.results / LATEST).is_dir():
        say(f"there is no run in {wanted.results}: the cover letter says “not measured”")
        return None
    try:
        return MeasuredRun.read(wanted.run or LATEST, root=wanted.results, line=wanted.line)
    except UserError as error:
        if wanted.run:
            raise
        say(f"the cover letter says “not measured”: {error.message}")
        return None


def _place(mails: list[Path], output: Path) -> list[Path]:
    """Copy all mails to their folder, or none of them, and return the copies."""
    placed: list[Path] = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for mail in mails:
            placed.append(output / mail.name)
            shutil.copy(mail, placed[-1])
    except OSError as error:
        for path in placed:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise UserError(
            f"the patches cannot be written to {output}: {error.strerror}",
            hint="correct that, or name another folder with --output-directory",
        ) from error
    return placed
