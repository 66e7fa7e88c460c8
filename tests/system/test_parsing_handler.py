# SPDX-License-Identifier: GPL-2.0-only
"""The handler that parses certificates: what the kernel believes of its replies, and what not."""

from __future__ import annotations

import struct
from errno import EFAULT, EINVAL, EKEYREJECTED, EMSGSIZE, ENOENT, EPROTO, ESRCH
from functools import partial
from os import O_RDWR
from signal import SIGCONT, SIGSTOP
from statistics import median
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import load_der_x509_certificate
from late_replies import Lates
from parsing_lab import (
    Keys,
    check_nested,
    check_refused,
    handler,
    keys,
    lab_with,
    lates,
    parked,
    variant,
)

from harness.attacker import GuestError
from harness.attacker.tools.certificates import OwnKey, forged_reply
from harness.attacker.tools.keyrings import (
    KEY_SPEC_PROCESS_KEYRING,
    add_key,
    trusted_keyring,
    verify,
)
from harness.attacker.tools.overflow import CARRIERS
from harness.attacker.tools.processes import state_at_rest
from harness.attacker.tools.tracefs import TRACING, switch_on
from harness.guests.vendor import CERTIFICATE
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.model.handlers import RPM, X509
from harness.scenarios.stakes import UNSIGNED, replace_parser
from harness.scenarios.stakes_certificates import forged_key, mixed_certificates
from harness.studies.parser_cost import SAMPLES, Sample
from harness.witness.tally import Tally, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

__all__ = ["handler", "keys", "lates", "parked", "variant"]

JUMP = b"\xeb\xfe"
"""x86-64: jmp to itself."""
UNDEFINED = b"\x0f\x0b"
"""x86-64: ud2."""
GETPID = b"\xb8\x27\0\0\0\x0f\x05"
"""x86-64: mov $39, %eax; syscall."""
STOPS = 10_000
"""At most. Until the handler gets a certificate, it is stopped elsewhere."""
SPANS = 80
"""Where the first part of a certificate is in a reply (struct umd_x509)."""
TIMED = 100
"""Files of each kind."""
MANY = 130
"""So many files twice, and each given twice, are more than the witness keeps."""


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses."""
    return lab_with(X509, kernel_line)


@pytest.fixture
def vendor(attacker: Attacker) -> bytes:
    """A certificate that a key in the kernel has signed."""
    return attacker.read_file(CERTIFICATE)


def listed(attacker: Attacker) -> str:
    """Return the kernel's list of keys."""
    return attacker.read_file("/proc/keys").decode()


def test_the_kernel_gets_its_keys_from_the_handler(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes
) -> None:
    """The key is the certificate's, and a signature by another key is none by this one."""
    key = keys.add(vendor, trusted_keyring(attacker))
    serial = load_der_x509_certificate(vendor).serial_number
    assert f"a vendor: {serial:040x}: UMD.rsa" in listed(attacker)
    with pytest.raises(GuestError, match="at keyctl"):
        verify(attacker, key, UNSIGNED, OwnKey().sign(UNSIGNED))
    assert not witness.read().violations & Violation.BELIEVED


def test_a_key_that_its_certificate_holds_is_believed_rightly(
    attacker: Attacker, witness: Witness, keys: Keys
) -> None:
    own = OwnKey()
    key = keys.add(own.certificate(), KEY_SPEC_PROCESS_KEYRING)
    verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
    assert not witness.read().violations & Violation.BELIEVED


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
@pytest.mark.parametrize(
    ("lie", "at"),
    [
        ("nothing", None),
        ("usage", None),
        ("serial", SPANS + 2 * 8),
        ("issuer", SPANS + 3 * 8),
        ("subject", SPANS + 4 * 8),
        ("identifier of the subject", SPANS + 7 * 8),
        ("identifier of the issuer", SPANS + 10 * 8),
    ],
)
def test_a_lie_about_all_but_the_key_is_believed_wrongly(
    attacker: Attacker, parked: Handler, witness: Witness, keys: Keys, lie: str, at: int | None
) -> None:
    """Of an identifier, the last byte is missing. The control is the true reply."""
    own = OwnKey()
    certificate = own.certificate()
    reply = bytearray(forged_reply(certificate, certificate, own.public))
    if lie == "usage":
        reply[4] ^= 1
    elif at is not None:
        (length,) = struct.unpack_from("<I", reply, at + 4)
        struct.pack_into("<I", reply, at + 4, length - 1)
    lying = partial(replace_parser, attacker, parked, "umd_x509_parse", bytes(reply))
    key = keys.add(certificate, KEY_SPEC_PROCESS_KEYRING, first=lying)
    verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
    assert (Violation.BELIEVED in witness.read().violations) is (lie != "nothing")


def stop_in_decoder(attacker: Attacker, pid: int, place: int) -> None:
    """Stop the handler at the start of a function of the kernel's that its parser calls.

    The function's first instruction jumps to itself until the handler has come there. Raises
    GuestError if the handler ends.
    """
    with attacker.open(f"/proc/{pid}/mem", O_RDWR) as memory:
        code = memory.pread(len(JUMP), place)
        memory.pwrite(JUMP, place)
        for _ in range(STOPS):
            attacker.kill(pid, SIGSTOP)
            while state_at_rest(attacker, pid) in b"SD":
                pass
            if int(attacker.read_file(f"/proc/{pid}/syscall").split()[-1], 16) == place:
                memory.pwrite(code, place)
                return
            attacker.kill(pid, SIGCONT)
    raise AssertionError(f"{STOPS} stops, and the handler has not come there")


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_a_handler_that_is_parsing_lives_on_with_another_parser(
    attacker: Attacker, handler: Handler, machine: Machine, witness: Witness
) -> None:
    """It ends its request before its parser is overwritten, or it would go on in the new code.

    The kernel kills a handler that a busy host makes late: then the next one is taken.
    """
    own = OwnKey()
    certificate = own.certificate()
    reply = forged_reply(certificate, certificate, own.public)

    def lives_on() -> int:
        """Return 0 if the handler lives on, or the negative errno of its request."""
        before = witness.read()

        def has_ended(tally: Tally) -> bool:
            is_wrong = tally.count.wrong > before.count.wrong
            return is_wrong or tally.generation > before.generation

        try:
            stop_in_decoder(attacker, before.pid, handler.symbol("asn1_ber_decoder"))
            replace_parser(attacker, handler, "umd_x509_parse", reply)
            attacker.kill(before.pid, SIGCONT)
        except GuestError as error:
            assert error.errno in (ESRCH, ENOENT), error
        tally = witness.wait(has_ended, seconds=30, what="wrong reply")
        return 0 if tally.generation == before.generation else tally.count.error

    assert Lates(machine, is_driven=True).in_time(lives_on) == 0


def test_a_keyring_takes_no_key_that_nobody_has_signed(
    attacker: Attacker, keys: Keys, vendor: bytes
) -> None:
    """The name is among what is signed."""
    changed = vendor.replace(b"a vendor", b"A vendor")
    assert keys.refused(changed, trusted_keyring(attacker)) == EKEYREJECTED


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_a_handler_that_is_late_is_told_from_one_that_refuses(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes
) -> None:
    """The next request starts another handler."""
    witness.park()
    attacker.kill(witness.read().pid, SIGSTOP)
    with pytest.raises(GuestError, match="ETIMEDOUT at add_key"):
        add_key(attacker, vendor, KEY_SPEC_PROCESS_KEYRING)
    assert keys.add(vendor, KEY_SPEC_PROCESS_KEYRING)


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_a_key_is_added_again_if_a_busy_host_made_the_handler_late(
    attacker: Attacker,
    parked: Handler,
    lates: Lates,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stopped handler stands for one without a CPU. The next one is given the lie as well."""
    own = OwnKey()
    certificate = own.certificate()
    reply = forged_reply(certificate, certificate, own.public)
    stopped: list[int] = []

    def lie() -> None:
        replace_parser(attacker, parked, "umd_x509_parse", reply)
        if not stopped:
            stopped.append(parked.pid)
            attacker.kill(parked.pid, SIGSTOP)

    monkeypatch.setattr("late_replies.is_starved", lambda *_, **__: True)
    key = keys.add(certificate, KEY_SPEC_PROCESS_KEYRING, first=lie)
    verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
    assert lates.count == 1
    assert parked.pid not in stopped


@pytest.mark.parametrize(
    ("variant", "code", "errno"),
    [("baseline", UNDEFINED, EFAULT), ("seccomp-strict", GETPID, EPROTO)],
    ids=["killed by a fault", "killed by seccomp"],
    indirect=["variant"],
)
def test_a_handler_that_dies_of_a_file_is_told_from_one_that_refuses(
    attacker: Attacker, parked: Handler, keys: Keys, vendor: bytes, code: bytes, errno: int
) -> None:
    """The next request starts another handler."""

    def patch() -> None:
        with attacker.open(f"/proc/{parked.pid}/mem", O_RDWR) as memory:
            memory.pwrite(code, parked.symbol("umd_x509_parse"))

    assert keys.refused(vendor, KEY_SPEC_PROCESS_KEYRING, first=patch) == errno
    assert keys.add(vendor, KEY_SPEC_PROCESS_KEYRING)


@pytest.mark.parametrize(
    ("what", "errno"),
    [
        ("cut", EINVAL),
        ("noise", EINVAL),
        ("one byte", EINVAL),
        ("empty", EINVAL),
        ("too long", EMSGSIZE),
    ],
)
def test_what_is_no_certificate_is_refused(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes, what: str, errno: int
) -> None:
    """The next request is answered, and the next certificate is taken."""
    blob = {
        "cut": vendor[:-300],
        "noise": b"\xa5" * 2000,
        "one byte": b"0",
        "empty": b"",
        "too long": vendor.ljust(2045, b"\0"),
    }[what]
    check_refused(attacker, witness, keys, blob, errno, vendor)


def test_a_certificate_without_a_name_is_a_key(
    attacker: Attacker, keys: Keys, vendor: bytes
) -> None:
    """The kernel has a BUG() for a key without a description."""
    # Its names are none that a description has.
    nameless = CARRIERS[X509.name].overflow(0, (), bytes(256))
    keys.add(nameless, KEY_SPEC_PROCESS_KEYRING)
    assert ": 01: UMD.rsa" in listed(attacker)
    keys.add(vendor, trusted_keyring(attacker))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_both_parsers_are_timed(lab: Lab, sample: Sample) -> None:
    files = sample.made(signing_key(cache_dir()))
    with lab.parser_clock(sample.parser, "isolated") as clock:
        lates = Lates(clock.machine)
        given = [b"not a file of any kind", *files]
        assert clock.accepted(given) == [*files]
        times = lates.in_time(clock.times, files, TIMED)
    (handler,), (kernel,) = times["handler"], times["kernel"]
    assert len(handler) == len(kernel) == TIMED
    assert min(handler) > min(kernel) > 0


def test_each_file_of_a_corpus_has_its_own_times(lab: Lab) -> None:
    """More files than the witness keeps times. The kernel takes 200 times as long for one of them.

    A busy host makes half of the others no ten times slower.
    """
    key = signing_key(cache_dir())
    short, long = (sample.made(key)[0] for sample in SAMPLES if sample.parser == RPM.name)
    files = [*MANY * [short], long, *MANY * [short]]
    with lab.parser_clock(RPM.name, "isolated") as clock:
        lates = Lates(clock.machine)
        assert clock.accepted(files) == files
        times = lates.in_time(clock.times, files, 2)
    assert [len(one) for one in times["handler"]] == len(files) * [2]
    fastest = [min(one) for one in times["kernel"]]
    assert fastest[MANY] > median(fastest) * 10


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_one_write_sends_a_reply(
    attacker: Attacker, parked: Handler, witness: Witness, lates: Lates, vendor: bytes
) -> None:
    ring = trusted_keyring(attacker)

    def writes_and_replies() -> tuple[int, int]:
        switch_on(attacker, "syscalls/sys_enter_write", only=f"common_pid=={parked.pid}")
        attacker.write_file(f"{TRACING}/trace", b"")  # empties it
        before = witness.read().count.right
        add_key(attacker, vendor, ring)
        trace = attacker.read_file(f"{TRACING}/trace")
        return trace.count(b" sys_write("), witness.read().count.right - before

    writes, replies = lates.in_time(writes_and_replies)
    assert writes == replies > 0


def test_the_locked_memory_of_a_handler_is_known(lab: Lab) -> None:
    """The control: nothing is locked without isolation."""
    assert 32 < lab.locked_kib(X509.name, "isolated") < 1000
    assert lab.locked_kib(X509.name, "baseline") == 0


@pytest.mark.parametrize("attack", [forged_key, mixed_certificates])
def test_a_key_that_has_to_lie_in_what_is_signed_cannot_be_forged_so(
    lab: Lab, attack: Callable[[Attacker, Handler], None]
) -> None:
    check_nested(lab, attack)
