"""Signed and encrypted messages between trustees, in the format of Belenios 2.0.

Sign, then encrypt to the recipient: ElGamal of a random element whose hash keys AES-256-CCM. The signed text
names the recipient, so a message cannot be passed on as if meant for another. None of this traffic is in an
archive; it is byte-compatible so that our trustees and those of belenios-tool can hold one ceremony.
Source: Belenios specification 2.0, §4.6; glondu/belenios tag 2.0, src/lib/v1/trustees.ml (`MakePKI`,
`MakeChannels`); nonce and tag sizes as src/platform/native does.
"""

from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.formats import ChannelMessage, EncryptedMessage, SignedMessage
from chain.votes.group import Element, Group, is_proper_member
from chain.votes.randomness import RandomBytes, draw_scalar
from chain.votes.trustees import is_signed_by, sign_message

_NONCE_BYTES: Final = 13
_TAG_BYTES: Final = 8


class ChannelError(ValueError):
    """A message that is not for us, not from whom it should be, or was altered."""


def send(group: Group, secret: int, recipient: Element, message: str, draw: RandomBytes) -> str:
    """Sign `message` with `secret` and encrypt it to `recipient`'s encryption key."""
    addressed = ChannelMessage(recipient=group.encode(recipient), message=message)
    signed = sign_message(group, secret, formats.encode(addressed).decode(), draw)
    return formats.encode(encrypt(group, recipient, formats.encode(signed), draw)).decode()


def receive(group: Group, decryption_secret: int, sender: Element, sealed: str) -> str:
    """The message inside; raises ChannelError unless `sender` signed it for us, DecodeError on other bytes."""
    raw = decrypt(group, decryption_secret, formats.decode(EncryptedMessage, sealed))
    signed = formats.decode(SignedMessage, raw)
    if not is_signed_by(group, sender, signed):
        raise ChannelError("signature of the sender does not verify")
    addressed = formats.decode(ChannelMessage, signed.message)
    if group.decode(addressed.recipient) != group.generator_power(decryption_secret):
        raise ChannelError("addressed to another trustee")
    return addressed.message


def encrypt(
    group: Group, recipient: Element, plaintext: bytes, draw: RandomBytes
) -> EncryptedMessage:
    """Encrypt bytes to a public key."""
    r = draw_scalar(group, draw)
    key = group.generator_power(draw_scalar(group, draw))
    alpha = group.generator_power(r)
    data = _cipher(group, key).encrypt(_nonce(group, alpha), plaintext, None)
    return EncryptedMessage(
        alpha=group.encode(alpha),
        beta=group.encode(group.multiply(group.power(recipient, r), key)),
        data=data.hex(),
    )


def decrypt(group: Group, secret: int, message: EncryptedMessage) -> bytes:
    """Decrypt with the private key; raises ChannelError when the bytes were altered or are not for us."""
    alpha, beta = group.decode(message.alpha), group.decode(message.beta)
    if not is_proper_member(group, alpha) or not group.is_member(beta):
        raise ChannelError("not an encrypted message of this group")
    try:
        data = bytes.fromhex(message.data)
    except ValueError as exc:
        raise DecodeError("encrypted data is not hexadecimal") from exc
    key = group.multiply(beta, group.invert(group.power(alpha, secret)))
    try:
        return _cipher(group, key).decrypt(_nonce(group, alpha), data, None)
    except InvalidTag as exc:
        raise ChannelError("altered, or encrypted to another key") from exc


def _cipher(group: Group, key: Element) -> AESCCM:
    return AESCCM(sha256(f"key|{group.encode(key)}".encode()).digest(), tag_length=_TAG_BYTES)


def _nonce(group: Group, alpha: Element) -> bytes:
    """Unique because alpha is: one random exponent per message."""
    return sha256(f"iv|{group.encode(alpha)}".encode()).digest()[:_NONCE_BYTES]
