import contextlib
from pathlib import Path

from fracdse.build.cache import ContentCache, cache_folder, digest_of
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
    cache.path("00ff").write_bytes(b"[1]")
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
