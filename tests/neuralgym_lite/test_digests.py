"""SHA-256 of files."""

from __future__ import annotations

import hashlib

import pytest

from neuralgym_lite.digests import file_sha256


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1])
def test_equals_hashlib(tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"x" * size).hexdigest()
