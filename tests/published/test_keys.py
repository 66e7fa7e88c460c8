# SPDX-License-Identifier: GPL-2.0-only
"""The parsers of keys and signatures of April 2023 on our library, and root against them.

The posted manager does not ask for isolation, so the variant `isolated` does not isolate its
handler. With the changes `ISOLATED`, the manager asks.
"""

from __future__ import annotations

from dataclasses import replace
from errno import EBADMSG, EKEYREJECTED, ENOPKG, EOPNOTSUPP, ETIMEDOUT
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from false_handler import Attack, Victim, said
from late_replies import Lates
from published_keys import CHANGES, ISOLATED, patches
from published_lab import published_lab
from published_messages import REQUEST, ids, key_reply, signature_reply

from harness.attacker.tools.bpf import BpfObject, u32
from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.keyrings import (
    KEY_SPEC_PROCESS_KEYRING,
    add_key,
    trusted_keyring,
    verify,
)
from harness.guests.payloads import BPF_LOADER, compile_bpf
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine

VICTIM = Victim(b"umd_key_sig_umh", REQUEST)
ASKS = {"as-posted": CHANGES, "isolated": (*CHANGES, *ISOLATED)}
NO_KEY = b"neither a certificate nor anything else that the kernel itself can parse"
UNSIGNED = b"a module that nobody has signed"
RING = KEY_SPEC_PROCESS_KEYRING
KEYCTL_READ = 11
SIGNED, CUT = b"rm -rf /tmp/of-yesterday\n", b"rm -rf /"
VERIFY = "verify_umd_signature"
_CONTENT = 32
"""Bytes of `content` in the BPF program."""
_KEYS = 7
_FREED, _PAYLOAD = 200, 170
"""Bytes of an identifier and of a user's key. With their heads of 2 and 24, the kernel takes the
memory of both from the same objects, of 256 bytes, and that of a copy of the key from others."""


@pytest.fixture(scope="module", params=ASKS)
def asks(request: pytest.FixtureRequest) -> str:
    """The manager as posted, or with the request for isolation."""
    return str(request.param)


@pytest.fixture(scope="module")
def lab(asks: str, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Our series for 6.1 with the six mails on top."""
    return published_lab("6.1", patches(archive, tmp_path_factory.mktemp(asks), ASKS[asks]))


@pytest.fixture(params=["baseline", "isolated"])
def variant(request: pytest.FixtureRequest) -> str:
    """The variant under test."""
    return str(request.param)


@pytest.fixture
def images(lab: Lab, variant: str, tmp_path: Path) -> BootImages:
    """The images of the variant, with a payload of these tests."""
    images = lab.images(variant)
    (tmp_path / BPF_LOADER).symlink_to(images.guest.payloads / BPF_LOADER)
    compile_bpf(Path(__file__).with_name(f"{VERIFY}.bpf.c"), tmp_path / f"{VERIFY}.bpf.o")
    return replace(images, guest=replace(images.guest, payloads=tmp_path))


def asked(attacker: Attacker, ring: int = RING) -> int:
    """Add a file that holds no key; return the key's number, or the negative errno."""
    return said(lambda: add_key(attacker, NO_KEY, ring))


@pytest.fixture
def lates(machine: Machine) -> Lates:
    """The requests that a busy host made late."""
    return Lates(machine, is_driven=True)


def start(attacker: Attacker, lates: Lates) -> None:
    """Have the handler answer."""
    assert lates.in_time(asked, attacker) == -EOPNOTSUPP


@pytest.fixture
def attack(attacker: Attacker, lates: Lates, tmp_path: Path, asks: str, variant: str) -> Attack:
    """Root, who is refused only if the manager asks for isolation, and the kernel isolates."""
    is_refused = asks == variant == "isolated"
    return Attack(attacker, VICTIM, lambda: start(attacker, lates), is_refused, tmp_path, lates)


def test_the_posted_handler_answers(attacker: Attacker, lates: Lates) -> None:
    """It gets what no other parser takes, and says that it knows no keys."""
    assert VICTIM.pids(attacker) == []
    add_key(attacker, OwnKey().certificate(), RING)
    assert VICTIM.pids(attacker) == [], "a certificate is not for the handler"
    start(attacker, lates)
    assert len(VICTIM.pids(attacker)) == 1


def test_a_key_that_no_file_holds(attacker: Attacker, attack: Attack) -> None:
    """The handler replies root's key: the kernel verifies root's signature with it.

    A keyring that asks for a signature does not take it: the posted parser brings none.
    """
    own = OwnKey()
    reply = key_reply(own.public, ids(b"a vendor", b"a vendor's key"))
    key = attack.answer(reply, lambda: asked(attacker))
    if key is not None:
        verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
        assert asked(attacker, trusted_keyring(attacker)) == -ENOPKG


def has_memory_twice(attacker: Attacker) -> bool:
    """Whether one key of a user has the content of another."""
    payloads = [bytes([number]).ljust(_PAYLOAD, b"\0") for number in range(1, 1 + _KEYS)]
    keys = [
        attacker.syscall("add_key", "user", f"key {payload[0]}", payload, _PAYLOAD, RING)
        for payload in payloads
    ]
    found = []
    for key in keys:
        read = bytearray(_PAYLOAD)
        attacker.syscall("keyctl", KEYCTL_READ, key, read, _PAYLOAD)
        found.append(bytes(read))
    return len(set(found)) < len(found)


def test_a_lie_frees_memory_twice(attacker: Attacker, attack: Attack) -> None:
    """A defect of the posted parser: it frees a first identifier twice if the second is too long.

    The kernel then gives the same memory to two others.
    """
    assert not has_memory_twice(attacker)
    reply = key_reply(b"a key", ids(bytes(_FREED), bytes(257)))
    answer = attack.answer(reply, lambda: asked(attacker))
    if answer is not None:
        assert answer == -EBADMSG
        assert has_memory_twice(attacker)


def test_a_signed_file_cut_short(attacker: Attacker, attack: Attack, lates: Lates) -> None:
    """The kernel accepts the beginning of a signed file as signed, by a key in its keyring.

    The kernel appends bytes that the handler names to the content, and verifies the signature of
    both. Root names the rest of the signed file.
    """
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import SubjectKeyIdentifier

    def verified(content: bytes) -> int:
        """Return what the kernel says of the content: 0, or a negative errno."""
        given = {"content": content.ljust(_CONTENT, b"\0"), "size": u32(len(content))}
        program = BpfObject(attacker, VERIFY, **given)
        hits = program.hits()
        program.end()
        assert hits, "the program has not run"
        return 1 - hits

    def accepted() -> int:
        """Return what the kernel says of the cut file. It must refuse one that is cut elsewhere."""
        answer, other = verified(CUT), verified(CUT[:-1])
        assert answer == -ETIMEDOUT or other in (-EKEYREJECTED, -ETIMEDOUT)
        return other if other == -ETIMEDOUT else answer

    private, certificate = signing_key(cache_dir()).opened()
    signature = private.sign(SIGNED, PKCS1v15(), SHA256())
    signer = certificate.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
    start(attacker, lates)
    assert verified(CUT) in (-EOPNOTSUPP, -ETIMEDOUT)
    reply = signature_reply(signature, ids(b"", signer), SIGNED.removeprefix(CUT))
    assert attack.answer(reply, accepted) in (0, None)
