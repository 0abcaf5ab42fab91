from __future__ import annotations

import pytest

from replayport.errors import SettingsError
from replayport.signing import Signer, check, config_folder, fingerprint, signing_key


def test_a_signed_document_holds_until_it_is_changed(tmp_path):
    signer = Signer.load(tmp_path / "k" / "key.pem")
    signed = signer.sign({"b": [1, 2], "a": "ü"})
    assert check(signed) == fingerprint(signer.public_key)
    assert check({**signed, "a": "u"}) is None
    assert check({k: v for k, v in signed.items() if k != "signature"}) is None
    assert check({**signed, "signature": "AAAA"}) is None
    other = Signer.load(tmp_path / "other.pem")
    assert check({**signed, "signed_by": other.sign({})["signed_by"]}) is None


def test_the_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "deep" / "key.pem"
    assert Signer.load(path).public_key == Signer.load(path).public_key
    assert path.stat().st_mode & 0o77 == 0
    assert b"PUBLIC" in Signer.load(path).public_pem


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_key_that_does_not_read_is_not_replaced(tmp_path, raw):
    path = tmp_path / "key.pem"
    path.write_bytes(raw)
    with pytest.raises(SettingsError, match="signing"):
        Signer.load(path)
    assert path.read_bytes() == raw


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_folder() == tmp_path / "replayport"
    assert signing_key("") == tmp_path / "replayport" / "signing-key.pem"
    assert str(signing_key("/x/y.pem")) == "/x/y.pem"
