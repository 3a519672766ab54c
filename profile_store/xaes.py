"""XAES-256-GCM: AES-256-GCM under a fresh key for each message, so that no nonce can repeat.

AES-GCM is broken by a nonce that is used twice, and its 96 bits are too few to draw at random for
the life of a key. XAES (C2SP, https://c2sp.org/XAES-256-GCM) takes 192: the first half derives a
key for the message (NIST SP 800-108, with AES-CMAC), the other half is its nonce. 2**80 messages
may be sealed before two share both with a chance of 2**-32. The cipher is the library's own.
"""

from __future__ import annotations

import threading

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16

_BLOCK_BYTES = 16
_REDUCTION = 0x87  # CMAC's, for blocks of 128 bits
_DERIVING_BYTES = 12
_FIRST, _SECOND = b"\0\1X\0", b"\0\2X\0"  # the counter, the label and the separator

__all__ = ["KEY_BYTES", "NONCE_BYTES", "TAG_BYTES", "XAES256GCM", "InvalidTag"]


class XAES256GCM:
    """One key's cipher; any thread may use it.

    Raises:
        InvalidTag: by `decrypt`, for whatever was not encrypted under this key, this nonce and
            this associated data, to the last bit.
    """

    def __init__(self, key: bytes) -> None:
        # ECB of single blocks is what CMAC is made of.
        self._blocks = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        # One a thread, not one and a lock: a fork would leave the lock taken for ever.
        self._of_thread = threading.local()
        whole = 8 * _BLOCK_BYTES
        doubled = int.from_bytes(self._encrypt_blocks(bytes(_BLOCK_BYTES)), "big") << 1
        if doubled >> whole:
            doubled = (doubled & ((1 << whole) - 1)) ^ _REDUCTION
        subkey = doubled.to_bytes(_BLOCK_BYTES, "big")
        self._mask = int.from_bytes(subkey + subkey, "big")

    def encrypt(self, nonce: bytes, message: bytes, associated: bytes) -> bytes:
        """Return the message encrypted, and 16 bytes of tag; the nonce has 24 random bytes."""
        return self._derived(nonce).encrypt(nonce[_DERIVING_BYTES:], message, associated)

    def decrypt(self, nonce: bytes, encrypted: bytes, associated: bytes) -> bytes:
        """Return the message that `encrypt` was given."""
        return self._derived(nonce).decrypt(nonce[_DERIVING_BYTES:], encrypted, associated)

    def _derived(self, nonce: bytes) -> AESGCM:
        deriving = nonce[:_DERIVING_BYTES]
        blocks = int.from_bytes(_FIRST + deriving + _SECOND + deriving, "big") ^ self._mask
        return AESGCM(self._encrypt_blocks(blocks.to_bytes(2 * _BLOCK_BYTES, "big")))

    def _encrypt_blocks(self, blocks: bytes) -> bytes:
        try:
            encryptor = self._of_thread.encryptor
        except AttributeError:
            encryptor = self._of_thread.encryptor = self._blocks.encryptor()
        encrypted: bytes = encryptor.update(blocks)
        return encrypted
