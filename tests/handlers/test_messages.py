# SPDX-License-Identifier: GPL-2.0-only
"""The handler of messages and the kernel's own parser agree on each blob of the corpora."""

from __future__ import annotations

from collections import Counter
from errno import EKEYREJECTED, EOVERFLOW
from typing import TYPE_CHECKING

import pytest
from handler_process import ROOM, Message, Signer, message, running
from kernel_parsers import SIGNERS, content, kernel_says, part, signer, status, text
from signed_messages import sign_messages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.attacker import Attacker

pytestmark = pytest.mark.few

LEAST = 50
"""Messages that must be accepted."""


def same_fields(found: Message, said: Mapping[str, str], blob: bytes) -> list[str]:
    """Return the fields in which the handler's reply and the kernel's structure differ."""
    wrong = [n for n in ("version", "data_oid") if getattr(found, n) != int(said[n], 0)]
    if found.data != part(said, "data"):
        wrong.append("data")
    for at, one in enumerate(found.signers[:SIGNERS]):
        fetched = signer(said, at)
        if (int(fetched["next"], 0) != 0) != (at + 1 < len(found.signers)):
            return [*wrong, "signers"]
        wrong += [f"{name} of signer {at}" for name in fields_of_signer(one, fetched, blob)]
    return wrong


def fields_of_signer(found: Signer, said: Mapping[str, str], blob: bytes) -> list[str]:
    """Return the fields in which the reply and the kernel's structure for a signer differ."""
    wrong = [n for n in ("digest", "authattrs") if getattr(found, n) != part(said, n)]
    numbers = ("attributes", "signing_time")
    wrong += [name for name in numbers if getattr(found, name) != int(said[name], 0)]
    names = ("sig_algo", "hash_algo", "encoding")
    wrong += [name for name in names if getattr(found, name) != text(said, name)]
    signature = found.signature.of(blob)
    if len(signature) != int(said["signature_size"]):
        wrong.append("signature_size")
    if content(said, "signature_bytes")[: len(signature)] != signature[:48]:
        wrong.append("signature_bytes")
    return wrong


@pytest.mark.timeout(1200)
def test_the_kernel_and_the_handler_agree(
    corpus: dict[bytes, str],
    programs: Path,
    confine: str,
    attacker: Attacker,
    ask_kernel: Path,
    tmp_path: Path,
) -> None:
    messages = {**corpus, **sign_messages(tmp_path)}
    reference = kernel_says(attacker, ask_kernel, "modules", list(messages))
    differ: list[tuple[object, ...]] = []
    left, counted, signers = [], Counter[int](), Counter[int]()
    with running(programs / "pkcs7", confine) as handler:
        for (blob, name), said in zip(messages.items(), reference, strict=True):
            found = message(handler.ask(blob))
            kernel = status(said)
            counted[found.status] += 1
            if found.status == kernel == 0:
                signers[len(found.signers)] += 1
                differ += [(name, field) for field in same_fields(found, said, blob)]
            elif found.status == 0 and kernel == -EKEYREJECTED:
                # The kernel checks the signature of a certificate that signs itself.
                assert any(c.issuer.of(blob) == c.subject.of(blob) for c in found.certs)
                left.append(name)
            elif found.status == -EOVERFLOW and kernel == 0:
                left.append(f"{name}: over {ROOM} certificates")
            elif found.status != kernel:
                differ.append((name, found.status, kernel))
    print(f"{len(messages)} blobs, statuses {dict(counted)}, left to the caller: {left}")  # noqa: T201
    assert differ == []
    assert counted[0] >= LEAST
    assert signers.keys() >= {1, 2, 3}
