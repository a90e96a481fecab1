# SPDX-License-Identifier: Apache-2.0
"""Content credentials: a clip that the test signs itself, the same clip changed afterwards, and clips without."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.make_media import Film, Sound, write_clip

c2pa = pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

from avguard.provenance import state_of  # noqa: E402


def throwaway_chain() -> tuple[bytes, bytes]:
    """(certificates, key) in PEM: a signer under an authority that nobody knows."""
    now = datetime.datetime.now(datetime.timezone.utc)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test")])
        for n in ("signer", "authority")
    ]
    made = []
    for k, authority in ((0, False), (1, True)):
        usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment"), False)
        usage |= dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[k])
            .issuer_name(names[1])
            .public_key(keys[k].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=authority, crl_sign=authority, **usage), True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[k].public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[1].public_key()), critical=False)
        )
        if not authority:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, critical=False)
        made.append(builder.sign(keys[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key = keys[0].private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return b"".join(made), key


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("plain") / "clip.mp4", Film(seconds=0.6), Sound(seconds=0.6))


@pytest.fixture(scope="module")
def signed(plain: Path) -> Path:
    certificates, key = throwaway_chain()
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, certificates, key, None)
    origin = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"
    actions = [{"action": "c2pa.created", "digitalSourceType": origin}]
    action = {"label": "c2pa.actions", "data": {"actions": actions}}
    manifest = {"claim_generator_info": [{"name": "test", "version": "1"}], "assertions": [action]}
    out = plain.with_name("signed.mp4")
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest) as builder:
        builder.sign_file(plain, out, signer)
    return out


def test_a_clip_without_credentials(plain: Path, tmp_path: Path) -> None:
    assert state_of(str(plain)) == "absent"
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    assert state_of(str(text)) == "absent"


def test_an_intact_clip_of_an_unknown_signer(signed: Path) -> None:
    assert state_of(str(signed)) == "valid"


def test_a_clip_changed_after_signing(signed: Path, tmp_path: Path) -> None:
    content = bytearray(signed.read_bytes())
    at = content.rindex(b"mdat") + 64
    content[at] ^= 0xFF
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(content)
    assert state_of(str(changed)) == "invalid"
