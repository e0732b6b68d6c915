"""Who made a bundle: Ed25519 signatures (RFC 8032) over the manifest's bytes.

The manifest holds the digest of every other file, so its signature covers the whole bundle. The
signature's file carries the public key: a signature that does not fit is refused even where the key
is unknown. A key is written ``ed25519:`` and 32 bytes in base64.
"""

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from evitals.errors import InputError, RefusedBundle, SettingsError
from evitals.models.manifest import decode, encode

FILE = "signature.json"
PREFIX = "ed25519:"
_PURPOSE = b"evitals model bundle\n"
"""Signed before the manifest: a signature made for something else never fits."""
_KEY_BYTES = 32
_MOST_KEY_FILE = 10_000


class Signature(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of ``signature.json``."""

    algorithm: Literal["ed25519"] = "ed25519"
    key: Annotated[str, Meta(max_length=100)]
    signature: Annotated[str, Meta(max_length=100)]


class Trust(Struct, frozen=True):
    """The public keys whose bundles are taken. Where there are any, a signature is required."""

    keys: frozenset[str] = frozenset()

    @classmethod
    def of(cls, said: str | Iterable[str]) -> "Trust":
        """Trust in keys, or in the key files whose paths are given, with commas between.

        Raises SettingsError naming what is neither.
        """
        parts = said.split(",") if isinstance(said, str) else said
        return cls(frozenset(_public(part.strip()) for part in parts if part.strip()))

    def signer(self, manifest: bytes, signature: bytes | None) -> str | None:
        """The key that signed ``manifest``; None where nobody did and nobody has to.

        Raises RefusedBundle: unsigned, bad_signature, or wrong_key where it is not trusted.
        """
        if signature is None:
            if self.keys:
                raise _refused(
                    "nothing", "is signed, but a signature is required",
                    "sign it with `evitals models sign`", "unsigned",
                )  # fmt: skip
            return None
        key = _signed_by(manifest, signature)
        if self.keys and key not in self.keys:
            raise _refused(
                key, "is not a trusted key", "add it to EVITALS_TRUSTED_KEYS if you know whose it "
                "is", "wrong_key",
            )  # fmt: skip
        return key


ANYONE = Trust()
"""Takes bundles that nobody signed, or whoever signed them."""


def generate(path: Path) -> str:
    """Make a key pair: the private key in ``path`` (mode 0600), the public one beside it (.pub).

    Returns the public key. Raises InputError where either file exists or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = _text(private.public_key().public_bytes_raw())
    beside = path.with_name(path.name + ".pub")
    if os.path.lexists(beside):
        raise _exists(beside)
    _write_new(path, pem, 0o600)
    _write_new(beside, f"{public}\n".encode(), 0o644)
    return public


def sign(manifest: bytes, key_file: Path) -> bytes:
    """The bytes of ``signature.json`` for the bytes of ``manifest.json``.

    Raises InputError where ``key_file`` is no private key, or others may read it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with key_file.open("rb") as file:
            mode, pem = os.fstat(file.fileno()).st_mode, file.read(_MOST_KEY_FILE)
    except OSError as error:
        raise _bad_key(key_file, f"cannot be read ({error.strerror})") from error
    if stat.S_IMODE(mode) & 0o077:
        raise _bad_key(key_file, "may be read by others", f"chmod 600 {key_file}")
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise _bad_key(key_file, "holds no private key without passphrase") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _bad_key(key_file, "is not an Ed25519 key")
    made = private.sign(_PURPOSE + manifest)
    key = _text(private.public_key().public_bytes_raw())
    return encode(Signature(key=key, signature=base64.b64encode(made).decode()))


def fingerprint(key: str) -> str:
    """A public key's short name: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _signed_by(manifest: bytes, text: bytes) -> str:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    said = decode(text, Signature, FILE)
    try:
        if encode(said) != text:
            raise ValueError("it is not written as evitals does")
        made = _bytes(said.signature)
        public = Ed25519PublicKey.from_public_bytes(_bytes(said.key.removeprefix(PREFIX)))
        if _text(public.public_bytes_raw()) != said.key:
            raise ValueError("the key is not written as evitals does")
        public.verify(made, _PURPOSE + manifest)
    except (InvalidSignature, ValueError) as error:
        raise _refused(
            FILE, f"does not fit the manifest ({error or 'another content was signed'})",
            "fetch the bundle again", "bad_signature",
        ) from error  # fmt: skip
    return said.key


def _public(said: str) -> str:
    """A public key as text, from itself or from its file."""
    text = said
    if not said.startswith(PREFIX):
        try:
            with Path(said).open("rb") as file:
                text = file.read(_MOST_KEY_FILE).decode("ascii").strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise _no_key(said, error) from error
    try:
        raw = _bytes(text.removeprefix(PREFIX))
    except ValueError as error:
        raise _no_key(said, error) from error
    if len(raw) != _KEY_BYTES or _text(raw) != text:
        raise _no_key(said, "another length or form")
    return text


def _bytes(text: str) -> bytes:
    """Base64, written in the one way there is."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64 with loose bits")
    return raw


def _text(raw: bytes) -> str:
    return PREFIX + base64.b64encode(raw).decode()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise _bad_key(path, f"cannot be written ({error.strerror})") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def _exists(path: Path) -> InputError:
    return _bad_key(path, "exists already", "give another path: a key is never overwritten")


def _bad_key(
    path: Path, problem: str, remedy: str = "make one with `evitals models keygen`"
) -> InputError:
    return InputError("key", str(path), problem, remedy, reason="bad_key")


def _no_key(said: str, why: object) -> SettingsError:
    return SettingsError(
        f"EVITALS_TRUSTED_KEYS: {said[:80]!r} is neither {PREFIX}BASE64 nor a file with such a key "
        f"({why}); `evitals models keygen` writes one (.pub)"
    )


def _refused(what: str, problem: str, remedy: str, reason: str) -> RefusedBundle:
    return RefusedBundle("signature", what, problem, remedy, reason=reason)
