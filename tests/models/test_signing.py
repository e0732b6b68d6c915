"""Signatures: made, checked, and every way they can be wrong."""

import base64
import stat
from pathlib import Path

import msgspec
import pytest

from evitals.errors import InputError, RefusedBundle, SettingsError
from evitals.models import signing
from evitals.models.signing import Signature, Trust

pytest.importorskip("cryptography", reason="pip install cryptography")

TEXT = b'{"schema":1}'


def key(folder: Path, name: str = "key") -> tuple[Path, str]:
    path = folder / name
    return path, signing.generate(path)


def reason(trust: Trust, signature: bytes | None, text: bytes = TEXT) -> str:
    with pytest.raises(RefusedBundle) as refused:
        trust.signer(text, signature)
    return refused.value.reason


def test_signed_and_trusted(tmp_path: Path) -> None:
    path, public = key(tmp_path)
    made = signing.sign(TEXT, path)
    for trust in (Trust(), Trust.of(public), Trust.of(f" {path}.pub , ")):
        assert trust.signer(TEXT, made) == public
    assert signing.sign(TEXT, path) == made, "Ed25519 is deterministic"
    assert len(signing.fingerprint(public)) == 16


def test_files_of_a_key(tmp_path: Path) -> None:
    path, public = key(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "key.pub").read_text() == f"{public}\n"
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        signing.generate(path)
    assert path.read_bytes() == before
    (tmp_path / "other.pub").write_text("kept")
    with pytest.raises(InputError, match="exists already"):
        signing.generate(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="cannot be written"):
        signing.generate(tmp_path / "no" / "key")


def test_who_is_trusted_decides(tmp_path: Path) -> None:
    path, public = key(tmp_path)
    _, other = key(tmp_path, "other")
    made = signing.sign(TEXT, path)
    assert Trust().signer(TEXT, None) is None
    assert reason(Trust.of(public), None) == "unsigned"
    assert reason(Trust.of(other), made) == "wrong_key"
    assert Trust.of([public, other]).signer(TEXT, made) == public


def test_a_signature_of_something_else_is_refused_by_all(tmp_path: Path) -> None:
    path, public = key(tmp_path)
    made = signing.sign(TEXT, path)
    assert reason(Trust(), made, TEXT + b" ") == "bad_signature"
    assert reason(Trust.of(public), made, TEXT + b" ") == "bad_signature"


def test_every_changed_byte_of_a_signature_is_refused(tmp_path: Path) -> None:
    made = signing.sign(TEXT, key(tmp_path)[0])
    for at in range(len(made)):
        for flip in (1, 32, 128):
            changed = bytearray(made)
            changed[at] ^= flip
            assert reason(Trust(), bytes(changed)) in ("bad_signature", "bad_manifest"), at


def test_another_key_put_into_a_signature(tmp_path: Path) -> None:
    path, _ = key(tmp_path)
    _, other = key(tmp_path, "other")
    said = msgspec.json.decode(signing.sign(TEXT, path), type=Signature)
    swapped = msgspec.json.encode(msgspec.structs.replace(said, key=other), order="deterministic")
    assert reason(Trust.of(other), swapped) == "bad_signature"


def test_a_signature_without_our_purpose_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path, public = key(tmp_path)
    private = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    bare = base64.b64encode(private.sign(TEXT)).decode()
    made = msgspec.json.encode(Signature(key=public, signature=bare), order="deterministic")
    assert reason(Trust(), made) == "bad_signature"


@pytest.mark.parametrize(
    "said",
    ["ed25519:", "ed25519:AAAA", "ed25519:!!!!", "no-such-file.pub", f"ed25519:{'A' * 43}",
     "rsa:AAAA", "/", "a\0b"],
)  # fmt: skip
def test_keys_that_are_none(said: str) -> None:
    with pytest.raises(SettingsError, match="EVITALS_TRUSTED_KEYS"):
        Trust.of(said)


def test_a_private_key_is_no_public_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        Trust.of(str(key(tmp_path)[0]))
    assert "PRIVATE" not in str(refused.value)


def test_key_files_that_are_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    path, _ = key(tmp_path)
    path.chmod(0o640)
    with pytest.raises(InputError, match="may be read by others; chmod 600"):
        signing.sign(TEXT, path)
    noise = tmp_path / "noise"
    noise.write_bytes(b"noise")
    noise.chmod(0o600)
    with pytest.raises(InputError, match="holds no private key"):
        signing.sign(TEXT, noise)
    curve = generate_private_key(SECP256R1()).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    noise.write_bytes(curve)
    with pytest.raises(InputError, match="not an Ed25519 key"):
        signing.sign(TEXT, noise)
    with pytest.raises(InputError, match="cannot be read"):
        signing.sign(TEXT, tmp_path / "absent")
