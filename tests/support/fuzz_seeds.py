# SPDX-License-Identifier: GPL-2.0-only
"""The inputs that fuzzing of the handlers begins with.

`python tests/support/fuzz_seeds.py FOLDER` writes those of the corpora that
`./run tests -e handlers` compares. It fetches packages, and needs the Debian packages of that part.
With `--made`, it writes those alone that it makes itself.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from certificate_corpus import blobs, fetch
from made_certificates import KEYS, made
from openpgp_packets import KEY, archive_keyrings, certificates, debian_keyring, packets_of
from rpm_packages import PACKAGES, build_package
from rpm_source_packages import fetch as fetch_sources
from rpm_source_packages import packages_in
from signed_messages import sign_messages

from harness.guests.vendor import header
from harness.studies.parser_corpus import header_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LONGEST = 64 << 10
"""Bytes of a seed: with half a megabyte each, there is an eighth of the executions."""

_CERTIFICATES = 100
"""How many of a keyring are taken: the others have the same form."""


def made_seeds(folder: Path) -> dict[str, list[bytes]]:
    """Return a few small inputs for each handler, which are made here. `folder` is for scratch."""
    digest = b"ab" * 32 + b"\0"
    algo, files = (5011, 4, 1, struct.pack(">I", 8)), (1035, 8, 2, digest + b"\0")
    return {
        "x509": [made(key, algorithm) for key, algorithm, _ in KEYS.values()],
        "pkcs7": list(sign_messages(folder, step=11)),
        "pgp": [bytes([tag, len(KEY)]) + KEY for tag in (0x98, 0xC6)],
        "rpm": [header(algo, files), header((1035, 8, 1, b"\0")), header()],
    }


def corpora(folder: Path) -> Mapping[str, Iterable[bytes]]:
    """Return the inputs of the corpora, and the small ones. `folder` keeps what is fetched."""
    vectors = list(blobs(fetch(folder)))
    small = made_seeds(folder)
    return {
        "x509": [*small["x509"], *vectors],
        "pkcs7": [*sign_messages(folder), *vectors],
        "pgp": [*small["pgp"], *_keys(folder)],
        "rpm": [
            *small["rpm"],
            *(build_package(name, folder).header for name in PACKAGES),
            *map(header_in, packages_in(fetch_sources(folder)).values()),
        ],
    }


def _keys(folder: Path) -> Iterator[bytes]:
    home = folder / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    for keyring in (*archive_keyrings(), debian_keyring(folder)):
        content = keyring.read_bytes()
        for listed in itertools.islice(certificates(packets_of(keyring, home)), _CERTIFICATES):
            yield content[listed[0].start : listed[-1].body + listed[-1].size]


def write_seeds(folder: Path, seeds: Mapping[str, Iterable[bytes]]) -> None:
    """Write a folder of files for each handler. A name is the digest, so that none is twice."""
    for name, inputs in seeds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for blob in inputs:
            if len(blob) <= _LONGEST:
                digest = hashlib.sha256(blob).hexdigest()
                (folder / name / digest[:16]).write_bytes(blob)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--made", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        make = made_seeds if options.made else corpora
        write_seeds(options.folder, make(Path(scratch)))
