# SPDX-License-Identifier: GPL-2.0-only
"""The corpora of docs/figures/parser-corpora.json.

`python tests/support/bench_corpora.py FOLDER` writes a folder of files for each of them, which
`umd-harness bench --handlers --corpus HANDLER=DIR` takes. It fetches packages, and needs rpmbuild.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from certificate_corpus import blobs, fetch
from openpgp_packets import certificates, debian_keyring, packets_of
from rpm_packages import PACKAGES, build_package

from harness.guests import vendor
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key

_EVERY = 4
"""One key of so many is taken."""


def certified_keys(scratch: Path) -> list[bytes]:
    """Return keys of Debian's developers, certified by the key that the kernel trusts."""
    keyring, home, key = debian_keyring(scratch), scratch / "gnupg", signing_key(cache_dir())
    home.mkdir(mode=0o700)
    content = keyring.read_bytes()
    found = [listed[0] for listed in certificates(packets_of(keyring, home))]
    return [
        vendor.openpgp(key, content[packet.body : packet.body + packet.size])
        for packet in found[::_EVERY]
    ]


def packages(scratch: Path) -> list[bytes]:
    """Return packages of rpmbuild."""
    for name in PACKAGES:
        build_package(name, scratch)
    return [path.read_bytes() for path in sorted((scratch / "RPMS").rglob("*.rpm"))]


def main(folder: Path) -> None:
    """Write the folders."""
    with TemporaryDirectory() as made:
        scratch = Path(made)
        corpora = {
            "certificates of test vectors": list(blobs(fetch(scratch))),
            "keys of Debian's developers": certified_keys(scratch),
            "packages of rpmbuild": packages(scratch),
        }
    for name, files in corpora.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files):
            (folder / name / f"{number:05}").write_bytes(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
