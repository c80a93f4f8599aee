import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.build.plan import BuildPlan
from fracdse.errors import BuildFailed

NAMES = st.text("ab./", min_size=1, max_size=8)
FILES = {"rtl/top.v": b"module top; endmodule\n", "README.txt": b"hello\n"}


def test_equal_files_give_equal_bytes():
    one, other = BuildPlan(FILES), BuildPlan(dict(reversed(FILES.items())))
    assert one.digest == other.digest
    assert one.archive() == other.archive()
    assert BuildPlan({**FILES, "README.txt": b"hello"}).digest != one.digest
    assert BuildPlan({"rtl/top": FILES["rtl/top.v"], "README.txt": b"hello\n"}).digest != one.digest


def test_archive_holds_the_files_and_nothing_of_this_machine():
    with tarfile.open(fileobj=io.BytesIO(BuildPlan(FILES).archive())) as archive:
        entries = archive.getmembers()
        contents = {entry.name: archive.extractfile(entry).read() for entry in entries}
    assert contents.pop("plan.sha256").decode().strip() == BuildPlan(FILES).digest
    assert contents == FILES
    assert {(entry.mtime, entry.uid, entry.uname) for entry in entries} == {(0, 0, "")}


def test_written_plan_is_written_again_but_not_over_another(tmp_path):
    plan = BuildPlan(FILES)
    plan.write(tmp_path)
    (tmp_path / "README.txt").write_text("changed by hand")
    plan.write(tmp_path)
    assert (tmp_path / "README.txt").read_bytes() == b"hello\n"
    with pytest.raises(BuildFailed, match="another build plan"):
        BuildPlan({"README.txt": b"other"}).write(tmp_path)


def test_a_damaged_digest_is_another_plans(tmp_path):
    plan = BuildPlan(FILES)
    plan.write(tmp_path)
    (tmp_path / "plan.sha256").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BuildFailed, match="another build plan"):
        plan.write(tmp_path)


@given(NAMES)
def test_no_name_leaves_the_folder(name):
    try:
        BuildPlan({name: b""})
    except BuildFailed:
        return
    assert not name.startswith("/")
    assert ".." not in name.split("/")


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../up", "a/../../b", "a\\b", "plan.sha256", "a//b"])
def test_bad_names(name):
    with pytest.raises(BuildFailed, match="no name for a file"):
        BuildPlan({name: b""})
