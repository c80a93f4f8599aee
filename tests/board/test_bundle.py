from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from fracdse.board.bundle import read_bundle, write_bundle
from fracdse.board.bundle_archive import pack, unpack
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import DataError, FracdseError
from fracdse.folding import Folding, LayerFolding
from fracdse.parameters import Affine, ClassifierParameters, GatedConvParameters, NetworkParameters, StemParameters
from fracdse.program import Executor, lower, program_bytes
from fracdse.topology import gated_convs, topology

DESIGN = Design(
    image=ImageFormat(8, 8, 1, 3),
    network=NetworkChoices(depth=8, width=2, thermometer_resolution=64),
    accelerator=AcceleratorChoices(),
)


@pytest.fixture(scope="module")
def contents():
    rng = np.random.default_rng(0)

    def real(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    def signs(*shape):
        return rng.choice([-1, 1], shape).astype(np.float32)

    stem, specs = topology(DESIGN)[0], gated_convs(DESIGN)
    convs = tuple(
        GatedConvParameters(
            signs(spec.out_channels, spec.in_channels, 3, 3), real(spec.out_channels),
            Affine(real(spec.out_channels), real(spec.out_channels)), *(real(spec.out_channels) for _ in range(3)),
            Affine(real(spec.out_channels) + 1, real(spec.out_channels)),
        )
        for spec in specs
    )  # fmt: skip
    parameters = NetworkParameters(
        DESIGN,
        StemParameters(signs(2, stem.in_channels, 3, 3), Affine(real(2), real(2))),
        convs,
        ClassifierParameters(real(3, 8), real(3)),
    )
    images = rng.integers(0, 256, (5, 8, 8, 1), np.uint8)
    program = lower(parameters, images)
    folding = Folding(
        LayerFolding("stem", 2, "logic"),
        tuple(LayerFolding(spec.name, spec.out_channels, "lutram", (1, 0)) for spec in specs),
        LayerFolding("classifier", 1, "bram"),
    )
    return {
        "program": program,
        "folding": folding,
        "build_id": 0xFEDC_BA98_7654_3210,
        "golden_images": images,
        "golden_logits": Executor(program).run(images).logits,
        "facts": {"test_accuracy": 0.5, "hardware": {"estimated": {"lut": 1.0}}},
        "verilog": "module accelerator; endmodule\n",
    }


@pytest.fixture
def path(contents, tmp_path):
    target = tmp_path / "design.fracdse"
    write_bundle(target, **contents)
    return target


def repacked(path, change):
    """Write the archive again with changed members, a list of (TarInfo, content)."""
    with tarfile.open(path) as archive:
        members = [(entry, archive.extractfile(entry).read()) for entry in archive]
    members = change(members) or members
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for entry, content in members:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def member(name, content=b"", kind=tarfile.REGTYPE, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry, content


def test_a_bundle_comes_back_as_it_was(contents, path):
    bundle = read_bundle(path)
    assert program_bytes(bundle.program) == program_bytes(contents["program"])
    assert bundle.folding == contents["folding"]
    assert bundle.build_id == contents["build_id"]
    np.testing.assert_array_equal(bundle.golden_images, contents["golden_images"])
    np.testing.assert_array_equal(bundle.golden_logits, contents["golden_logits"])
    assert bundle.facts["test_accuracy"] == 0.5
    assert bundle.verilog == contents["verilog"]
    assert bundle.bitstream is None
    assert "fracdse/board/driver.py" in bundle.driver


def test_a_compact_accelerator_has_no_folding(contents, path):
    program = contents["program"]
    design = replace(program.design, accelerator=replace(program.design.accelerator, architecture="compact"))
    compact = {**contents, "program": replace(program, design=design)}
    write_bundle(path, **{**compact, "folding": None})
    assert read_bundle(path).folding is None
    write_bundle(path, **compact)
    with pytest.raises(DataError, match="which only dataflow accelerators have"):
        read_bundle(path)
    write_bundle(path, **{**contents, "folding": None})
    with pytest.raises(DataError, match="a part cannot be read"):
        read_bundle(path)


def test_bitstream_and_handoff_are_carried(contents, tmp_path):
    write_bundle(tmp_path / "built", **contents, bitstream=b"\x01bits", handoff=b"<hwh/>")
    bundle = read_bundle(tmp_path / "built")
    assert (bundle.bitstream, bundle.handoff) == (b"\x01bits", b"<hwh/>")


def test_the_same_design_gives_the_same_bytes(contents, path, tmp_path):
    other = tmp_path / "again.fracdse"
    digest = write_bundle(other, **contents)
    assert other.read_bytes() == path.read_bytes()
    assert write_bundle(other, **{**contents, "build_id": 1}) != digest


def test_the_driver_in_a_bundle_is_complete(path, tmp_path):
    import subprocess
    import sys

    for name, content in read_bundle(path).driver.items():
        target = tmp_path / "driver" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import fracdse.board.driver as d; print(d.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "driver")], capture_output=True, text=True, check=False
    )
    assert str(tmp_path) in done.stdout, done.stderr


@pytest.fixture
def built(contents, tmp_path):
    """Give a bundle that has every part there can be, its content, and the names of its members."""
    target = tmp_path / "built.fracdse"
    write_bundle(target, **contents, bitstream=b"\x01bits", handoff=b"<hwh/>")
    content = target.read_bytes()
    with tarfile.open(target) as archive:
        return target, content, archive.getnames()


def test_any_missing_part_is_refused_by_name(built):
    path, content, names = built
    needed = "manifest.json manifest.sha256 program.fracprog design.json folding.json golden_images.u8"
    needed += " golden_logits.i32 accelerator.v accelerator.bit accelerator.hwh driver/fracdse/board/driver.py"
    assert set(needed.split()) <= set(names)
    for name in names:
        path.write_bytes(content)
        repacked(path, lambda members, name=name: [one for one in members if one[0].name != name])
        with pytest.raises(DataError, match=f"the part '{name}' is missing"):
            read_bundle(path)


def test_any_changed_part_is_refused_by_name(built):
    path, content, names = built
    for name in names:

        def change(members, name=name):
            return [(e, bytes([c[0] ^ 1]) + c[1:] if e.name == name else c) for e, c in members]

        path.write_bytes(content)
        repacked(path, change)
        blamed = "manifest.json" if name == "manifest.sha256" else name
        with pytest.raises(DataError, match=f"the part '{blamed}' was changed"):
            read_bundle(path)


HOSTILE = [
    member("/etc/passwd", b"x"),
    member("../escape", b"x"),
    member("driver/../../escape", b"x"),
    member("driver\\escape", b"x"),
    member("link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
    member("hard", kind=tarfile.LNKTYPE, link="manifest.json"),
    member("folder", kind=tarfile.DIRTYPE),
    member("device", kind=tarfile.CHRTYPE),
    member("screen\x1b[2J", b"x"),
]


@pytest.mark.parametrize("extra", HOSTILE, ids=lambda entry: entry[0].name)
def test_paths_out_of_the_archive_and_links_are_refused(path, extra):
    repacked(path, lambda members: [*members, extra])
    with pytest.raises(DataError, match="is a link, a folder, a path out of the archive"):
        read_bundle(path)


def sparse_file(size_bytes):
    """Return a header that stands for a file of zeros: GNU's sparse files have no content in the archive."""
    entry = tarfile.TarInfo("zeros")
    entry.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    header[386:495] = b"0" * 96 + b"\0" + b"%011o\0" % size_bytes
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 32)
    return bytes(header)


def extension(kind, content):
    """Return an extended header: something about the file that follows it."""
    entry = tarfile.TarInfo("extension")
    entry.type, entry.size = kind, len(content)
    return entry.tobuf(tarfile.GNU_FORMAT) + content.ljust(tarfile.BLOCKSIZE, b"\0")


@pytest.mark.parametrize(
    "start",
    [
        sparse_file(1 << 27),
        extension(tarfile.GNUTYPE_LONGNAME, b"name") * 3000,
        extension(tarfile.XHDTYPE, b"22 GNU.sparse.map=1,zz\n"),
    ],
    ids=["sparse file", "many long names", "sparse map"],
)
def test_an_archive_is_plain_files_and_nothing_of_the_formats_extensions(path, start):
    path.write_bytes(gzip.compress(start + gzip.decompress(path.read_bytes())))
    with pytest.raises(DataError, match="is a link"):
        read_bundle(path)


def test_a_part_twice_and_a_part_that_nobody_lists_are_refused(path):
    repacked(path, lambda members: [*members, member("extra", b"x")])
    with pytest.raises(DataError, match="'extra' is not in its manifest"):
        read_bundle(path)
    repacked(path, lambda members: [*members, members[0]])
    with pytest.raises(DataError, match="twice"):
        read_bundle(path)


@pytest.mark.parametrize(
    "content", [b"", b"not an archive", gzip.compress(b"not a tar" * 100, mtime=0), gzip.compress(b"", mtime=0)]
)
def test_other_files_are_no_bundles(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(DataError, match=r"other'"):
        read_bundle(tmp_path / "other")


def test_truncated_bundles_are_refused(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 11):
        path.write_bytes(whole[:length])
        with pytest.raises(FracdseError):
            read_bundle(path)


def test_parts_that_do_not_fit_each_other_are_refused(contents, path, tmp_path):
    parts, facts = unpack(path.read_bytes(), "bundle")

    def reading(**changes):
        changed = {**parts, **{name.replace("__", "."): value for name, value in changes.items()}}
        path.write_bytes(pack(changed, facts))
        return read_bundle(path)

    with pytest.raises(DataError, match=r"design\.json is not the design"):
        reading(design__json=json.dumps(Design().to_dict()).encode())
    with pytest.raises(DataError, match="do not fit"):
        reading(golden_logits__i32=bytes(12))
    with pytest.raises(DataError, match="a part cannot be read"):
        reading(golden_images__u8=bytes(63))
    with pytest.raises(DataError, match="a part cannot be read"):
        reading(folding__json=b"[]")
    with pytest.raises(DataError, match=r"a part cannot be read .it lacks 'stem'"):
        reading(folding__json=b"{}")
    with pytest.raises(DataError, match="unknown part 'other"):
        reading(other__txt=b"")
    with pytest.raises(DataError, match="do not fit"):
        write_bundle(tmp_path / "x", **{**contents, "golden_logits": contents["golden_logits"][:2]})


def with_verilog(path, verilog):
    parts, facts = unpack(path.read_bytes(), "bundle")
    path.write_bytes(pack({**parts, "accelerator.v": verilog.encode()}, facts))
    return read_bundle(path)


@pytest.mark.parametrize(
    "statement",
    [
        'initial $c("system(\\"id\\");");',
        "initial $system(command);",
        'import "DPI-C" function int system(input int command);',
        "import p::*;",
        "`include `x",
        'wire [8:1] w = "text";',
        "/* \\*/ initial $c(1);",
        "// \\\n initial $c(1);",
        "wire \\a/**/$c(1); ",
        "wire \\a`x ;",
        "wire \\a\xa0/* ; initial $c(1); // */",
        "// \r initial $c(1);",
        "initial $signed_or_not(1);",
    ],
)
def test_verilog_that_is_more_than_hardware_is_refused_before_it_is_simulated(path, statement):
    with pytest.raises(DataError, match=r"accelerator\.v: line [23] has .* no hardware"):
        with_verilog(path, f"module accelerator;\n{statement}\nendmodule\n")


def test_verilog_as_it_is_generated_is_accepted(path):
    verilog = (
        '/* `of $c */ // "import"\nmodule accelerator;\n'
        "wire \\a$c$1/import = $signed(important) + $unsigned(b);\nendmodule\n"
    )
    assert with_verilog(path, verilog).verilog == verilog


@pytest.mark.parametrize("build_id", ["-1", "f" * 40, "0x" + "f" * 14, None, 7, "_" * 16])
def test_build_ids_out_of_range_are_refused(path, build_id):
    parts, facts = unpack(path.read_bytes(), "bundle")
    path.write_bytes(pack(parts, {**facts, "build_id": build_id}))
    with pytest.raises(DataError, match="needed: 16 hexadecimal digits"):
        read_bundle(path)


@pytest.mark.parametrize("part", ["design.json", "folding.json"])
def test_deeply_nested_parts_are_refused(path, part):
    parts, facts = unpack(path.read_bytes(), "bundle")
    path.write_bytes(pack({**parts, part: b"[" * 200_000}, facts))
    with pytest.raises(DataError, match="a part cannot be read"):
        read_bundle(path)


def test_a_manifest_of_another_version_is_refused(path):
    def change(members):
        text = members[0][1].replace(b'"version": 1', b'"version": 2')
        digest = hashlib.sha256(text).hexdigest().encode()
        return [(members[0][0], text), (members[1][0], digest), *members[2:]]

    repacked(path, change)
    with pytest.raises(DataError, match="of version 2; this fracdse reads 'fracdse bundle' 1"):
        read_bundle(path)


def test_names_out_of_the_archive_are_not_packed(path):
    parts, facts = unpack(path.read_bytes(), "bundle")
    with pytest.raises(DataError, match="is no name for a part"):
        pack({**parts, "../x": b""}, facts)
    with pytest.raises(DataError, match="is no name for a part"):
        pack({**parts, "manifest.json": b""}, facts)


def test_a_folder_that_cannot_be_written_is_named(contents, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "bundle", **contents)
    with pytest.raises(DataError, match="cannot be read"):
        read_bundle(tmp_path / "none")
