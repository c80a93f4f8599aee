import contextlib
import errno
import os
from pathlib import Path

import pytest

from fracdse.build.cache import ContentCache, cache_folder, digest_of
from fracdse.build.sealed_folder import put_sealed, sealed_files
from fracdse.errors import BuildFailed
from fracdse.whole_file import write_whole


def test_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("FRACDSE_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("FRACDSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/fracdse")


def test_digest_tells_parts_apart():
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("ab") == digest_of(b"ab")


def test_record_comes_back(tmp_path):
    cache = ContentCache("kind", tmp_path)
    assert cache.get("00ff") is None
    cache.put("00ff", {"lut": 3})
    assert cache.get("00ff") == {"lut": 3}


def test_damaged_record_counts_as_missing(tmp_path):
    cache = ContentCache("kind", tmp_path)
    cache.put("00ff", {"lut": 3})
    cache.path("00ff").write_bytes(b'{"lut": ')
    assert cache.get("00ff") is None
    for content in (b"[1]", b"[" * 100_000, b"\xff"):
        cache.path("00ff").write_bytes(content)
        assert cache.get("00ff") is None


def test_cache_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "kind").write_text("a file where the folder should be")
    ContentCache("kind", tmp_path).put("00ff", {"lut": 3})


def test_interrupted_write_leaves_the_old_content(tmp_path, monkeypatch):
    target = tmp_path / "file"
    write_whole(target, b"old")
    assert target.stat().st_mode & 0o777 == 0o644

    def interrupt(self, other):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_reported_with_the_files_name(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*file'"):
        write_whole(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_sealed_folder_knows_what_it_holds(tmp_path):
    (tmp_path / "made").mkdir()
    for name in ("a.o", "b.h"):
        (tmp_path / "made" / name).write_text(name)
    folder = tmp_path / "cache" / "objects"
    assert sealed_files(folder) is None
    kept = put_sealed(list((tmp_path / "made").iterdir()), folder)
    assert kept == sealed_files(folder) == [folder / "a.o", folder / "b.h"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.o", b"a."), ("a.o", b"b.o"), ("a.o", None), ("seal.json", None), ("seal.json", b"{"), ("seal.json", b"{}"),
     ("seal.json", b"[" * 100_000), ("seal.json", b'{"a.o": 3}')],
)  # fmt: skip
def test_a_damaged_sealed_folder_counts_as_missing_until_it_is_made_again(tmp_path, name, content):
    folder = tmp_path / "cache"
    for _ in range(2):
        (tmp_path / "a.o").write_text("a.o")
        put_sealed([tmp_path / "a.o"], folder)
        assert sealed_files(folder) == [folder / "a.o"]
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        assert sealed_files(folder) is None


def test_a_sealed_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "a.o").write_text("a.o")
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildFailed, match="cannot be written"):
        put_sealed([tmp_path / "a.o"], tmp_path / "file" / "objects")
