# SPDX-License-Identifier: GPL-2.0-only
"""The handlers that a run can attack, and the scenarios that exist for one of them alone."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest

from harness.attacker.tools import packages
from harness.attacker.tools.certificates import OwnKey, forged_reply
from harness.brought.options import Brought
from harness.guests.vendor import vendor_files
from harness.host.errors import UserError
from harness.host.paths import HANDLERS as SOURCES
from harness.host.paths import KERNEL_PATCHES
from harness.judge.cells import all_cells, check_corpus
from harness.kernel.build.signing import signing_key
from harness.kernel.choice.kernel_choice import KernelChoice
from harness.kernel.series.lines import kernel_lines
from harness.model.handlers import HANDLERS, HASH, PGP, PKCS7, RPM, WITH_BUG, X509
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.run.request import request
from harness.scenarios import SCENARIOS, STAKES
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from harness.model.handlers import HandlerKind

WITNESS = KERNEL_PATCHES / "overlay/kernel/umd_witness"
PARSING = SHIPPED.with_handler(X509.name)


def test_another_handler_changes_what_is_booted_and_nothing_of_the_policy() -> None:
    assert PARSING.variants.keys() == VARIANTS.keys()
    for name, variant in PARSING.variants.items():
        plain = VARIANTS[name]
        assert variant.cmdline == f"{plain.cmdline} umd_witness.handler=x509".strip()
        assert X509.option in variant.needs
        assert (variant.is_thread, variant.protects) == (plain.is_thread, plain.protects)
    assert PARSING.variants["kthread"].loader == X509.thread
    assert PARSING.variants["isolated"].loader == X509.loader
    assert VARIANTS["isolated"].loader == HASH.loader


def test_the_default_handler_changes_nothing() -> None:
    assert SHIPPED.with_handler(HASH.name) is SHIPPED
    assert PARSING.with_handler(X509.name) is PARSING


def test_only_the_handlers_that_parse_have_a_stake() -> None:
    assert PARSING.scenarios.keys() - SCENARIOS.keys() == STAKES[X509.name].keys()
    check_corpus(PARSING)
    assert STAKES[X509.name].keys() == {"forged_key", "mixed_certificates"}
    assert STAKES[PKCS7.name].keys() == {"forged_signed_key"}
    assert STAKES[PGP.name].keys() == {"forged_openpgp_key"}
    assert STAKES[RPM.name].keys() == {"forged_digest", "swapped_package"}


@pytest.mark.parametrize(
    ("handler", "attack"),
    [
        (X509, "forged_key"),
        (PKCS7, "forged_signed_key"),
        (PGP, "forged_openpgp_key"),
        (RPM, "forged_digest"),
        (RPM, "swapped_package"),
    ],
    ids=["x509", "pkcs7", "pgp", "rpm", "rpm-swapped"],
)
def test_what_is_at_stake_is_lost_where_root_reaches_the_handler(
    handler: HandlerKind, attack: str
) -> None:
    corpus = SHIPPED.with_handler(handler.name)
    check_corpus(corpus)
    forged = corpus.scenarios[attack]
    expected = {name: forged.expected(one) for name, one in corpus.variants.items()}
    assert expected["baseline"] is Verdict.TAMPERED
    assert {expected[name] for name in ("isolated", "kthread", "selinux")} == {Verdict.HELD}
    assert expected["isolated-debug"] is Verdict.TAMPERED, "a debugger may write memory"


def test_an_unknown_handler_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UserError, match="no handler 'x508'") as error:
        SHIPPED.with_handler("x508")
    assert "x509" in error.value.hint


@pytest.mark.parametrize("handler", [X509, PKCS7, PGP, RPM], ids=lambda kind: kind.name)
def test_each_line_has_what_is_at_stake_with_each_parser(handler: HandlerKind) -> None:
    for line in kernel_lines(KERNEL_PATCHES):
        kernel = KernelChoice(line)
        made = request(Brought(), kernel=kernel, engine="microvm", handler=handler.name)
        assert STAKES[handler.name].keys() <= {cell.scenario for cell in made.cells}


def test_each_line_has_the_kernels_own_parsers() -> None:
    """The build of another kernel leaves them out: its parsers may need other headers."""
    (pattern,) = re.findall(r"expr \$\(KERNELVERSION\) : '(.*)'", (WITNESS / "Kconfig").read_text())
    has = re.compile(pattern.replace(r"\|", "|")).match
    assert all(has(f"{line}.5") for line in kernel_lines(KERNEL_PATCHES))
    assert not has("6.13.5")
    assert not has("6.121.5")


def test_a_request_has_the_scenarios_of_its_handler() -> None:
    made = request(
        Brought(),
        kernel=KernelChoice("6.12"),
        engine="microvm",
        handler=X509.name,
        expression="forged_key",
    )
    assert {cell.scenario for cell in made.cells} == {"forged_key"}
    assert len(made.cells) == len([c for c in all_cells(PARSING, "6.12") if c in made.cells])


def test_the_kernel_has_each_handler_by_these_names() -> None:
    makefile = (WITNESS / "Makefile").read_text()
    parsing = re.findall(r"call parsing_handler,(\w+),(\w+),", makefile)
    made = {(f"umd_witness_{name}_umh", f"UMD_WITNESS_{option}") for name, option in parsing}
    made.add((HASH.program, HASH.option))
    assert {HASH.program, f"{HASH.loader}.o", f"{HASH.thread}.o"} <= set(makefile.split())
    loaders = (WITNESS / "umd.c").read_text() + (WITNESS / "thread.c").read_text()
    for kind in (*HANDLERS.values(), *WITH_BUG.values()):
        assert (kind.program, kind.option) in made
        assert {f'"{kind.loader}"', f'"{kind.thread}"'} <= set(re.findall(r'"\w+"', loaders))


def test_a_forged_reply_is_that_of_the_header_and_true_but_for_the_key() -> None:
    """Of the fields of struct umd_x509, each span lies in the certificate; one lies behind it."""
    known = vendor("der")
    key = OwnKey().public
    reply = forged_reply(known + key, known, key)
    header = (SOURCES / "x509.h").read_text()
    assert len(reply) == 80 + 8 * len(re.findall(r"^\tstruct umd_span \w+;", header, re.M)[2:]) + 32
    spans = list(struct.iter_unpack("<II", reply[80:]))
    assert spans.count((len(known), len(key))) == 1
    for offset, length in spans:
        assert offset + length <= len(known) or (offset, length) == (len(known), len(key))


def test_the_number_in_a_forged_reply_is_all_of_the_certificates_number() -> None:
    """About half of the numbers begin with a zero byte in DER: their first bit is set."""
    for _ in range(8):
        own = OwnKey()
        certificate = own.certificate()
        offset, length = struct.unpack_from(
            "<II", forged_reply(certificate, certificate, own.public), 96
        )
        assert certificate[offset - 2 : offset] == bytes([2, length]), "the header of an INTEGER"


def test_a_forged_digest_is_in_the_header_that_is_signed_and_no_file_has_it() -> None:
    """The reply names the digest in the summary, in the form of struct umd_rpm."""
    header = packages.header_of(vendor("package"))
    replaced, own = packages.digests_in(header)
    said = struct.unpack("<i6I", packages.forged_reply(header, replaced))
    offset = said[-1]
    assert header[offset : offset + said[2]] == replaced != own
    assert header[offset + said[2]] == 0, "as behind the digest of a file"
    declared = (SOURCES / "rpm.h").read_text().partition("struct umd_rpm {")[2].partition("};")[0]
    assert re.findall(r"__[su]32 (\w+);", declared) == [
        "status",
        "algo",
        "digest_len",
        "files",
        "count",
    ]


def test_a_swapped_package_is_the_vendors_but_for_the_place_of_its_digests() -> None:
    header = packages.header_of(vendor("package"))
    replaced, own = packages.digests_in(header)
    swapped = packages.renamed(header, replaced)
    assert len(swapped) == len(header)
    assert packages.digests_in(swapped) == [replaced, own], "the digests lie where they lay"
    (entry,) = (at for at in range(16, 64, 16) if header[at : at + 4] == (1035).to_bytes(4, "big"))
    offset = int.from_bytes(swapped[entry + 8 : entry + 12], "big")
    assert swapped[64 + offset :][: len(replaced)] == replaced, "behind the three entries"


def vendor(kind: str) -> bytes:
    """Return a file that the cache's key has signed, by its suffix."""
    from harness.host.paths import cache_dir

    return vendor_files(signing_key(cache_dir()))[f"/etc/vendor.{kind}"]
