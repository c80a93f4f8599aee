from __future__ import annotations

import dataclasses
import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_cases import random_images, random_parameters, small_design

from fracdse.errors import ProgramError
from fracdse.program import Executor, Program, load_program, lower, program_bytes, save_program
from fracdse.program.file_arrays import ArrayReader, ArrayWriter
from fracdse.program.file_format import program_from_bytes

PREFIX = struct.Struct("<8sIIQ32s")


@pytest.fixture(scope="module")
def program() -> Program:
    design = small_design(si_width=2, shortcut_bits=2, elastic_link=True)
    return lower(random_parameters(design, 0), random_images(design, 8))


@pytest.fixture(scope="module")
def content(program) -> bytes:
    return program_bytes(program)


def rebuilt(content: bytes, change) -> bytes:
    """The file with a changed header, and lengths and digest that fit it."""
    _, version, header_length, _, _ = PREFIX.unpack_from(content)
    header = json.loads(content[PREFIX.size : PREFIX.size + header_length])
    data = content[PREFIX.size + header_length :]
    changed = change(header)
    text = json.dumps(header if changed is None else changed).encode()
    digest = hashlib.sha256(text + data).digest()
    return PREFIX.pack(b"FRACPROG", version, len(text), len(data), digest) + text + data


def test_a_program_comes_back_as_it_was(program, tmp_path):
    path = tmp_path / "network.program"
    save_program(program, path)
    again = load_program(path)
    assert again.design == program.design
    for before, after in zip(program.convs, again.convs, strict=True):
        for field in dataclasses.fields(before):
            if field.name != "si":
                np.testing.assert_array_equal(getattr(before, field.name), getattr(after, field.name))
    images = random_images(program.design, 5)
    np.testing.assert_array_equal(Executor(program).run(images).logits, Executor(again).run(images).logits)
    assert program_bytes(again) == path.read_bytes() == program_bytes(program)
    assert [entry.name for entry in tmp_path.iterdir()] == ["network.program"]


@pytest.mark.parametrize("network", [{}, {"power_of_two": True}, {"si_width": 1, "si_interaction": "full"}], ids=str)
def test_programs_without_optional_parts_come_back(network):
    design = small_design(**network)
    content = program_bytes(lower(random_parameters(design, 0), random_images(design, 4)))
    assert program_bytes(program_from_bytes(content)) == content


@pytest.mark.parametrize("length", [0, 5, 11, 20, 55, 56, 400, -1])
def test_truncated_files_say_so(content, length):
    with pytest.raises(ProgramError, match=r"network\.program.* (is truncated|is not a program file)"):
        program_from_bytes(content[:length], "network.program")


def test_longer_files_say_so(content):
    with pytest.raises(ProgramError, match="has more bytes"):
        program_from_bytes(content + b"\0")


def test_other_versions_say_so(content):
    with pytest.raises(ProgramError, match="is of version 3; this fracdse reads version 2"):
        program_from_bytes(content[:8] + (3).to_bytes(4, "little") + content[12:])


def test_other_files_say_so():
    for other in (b"", b"PK\x03\x04" + bytes(100), b"FRACPROJ" + bytes(100)):
        with pytest.raises(ProgramError, match="is not a program file"):
            program_from_bytes(other)


@settings(max_examples=60, deadline=None)
@given(where=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_changed_bit_is_refused(content, where, bit):
    changed = bytearray(content)
    changed[where % len(changed)] ^= 1 << bit
    with pytest.raises(ProgramError):
        program_from_bytes(bytes(changed))


def test_a_changed_weight_is_named_a_wrong_digest(content):
    with pytest.raises(ProgramError, match="has a wrong digest"):
        program_from_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_claims_of_enormous_sizes_are_refused_before_anything_is_read(content):
    huge = PREFIX.pack(b"FRACPROG", 2, 2**32 - 1, 2**63, bytes(32)) + content[56:]
    with pytest.raises(ProgramError, match="claims a header of"):
        program_from_bytes(huge)


HOSTILE = {
    "no header": lambda header: [],
    "missing key": lambda header: header.pop("stem") and None,
    "design of another network": lambda header: header["design"]["network"].update(width=4),
    "unknown design key": lambda header: header["design"]["network"].update(depthh=8),
    "other word length": lambda header: header.update(feature_bits=12),
    "array outside the data": lambda header: header["stem"]["weight"].update(at=10**8),
    "negative place": lambda header: header["stem"]["weight"].update(at=-8),
    "negative shape": lambda header: header["stem"]["multiplier"].update(shape=[-2]),
    "huge shape": lambda header: header["stem"]["multiplier"].update(shape=[2**31, 2**31, 2**31, 2]),
    "shape that is no list": lambda header: header["stem"]["multiplier"].update(shape=3),
    "wrong kind": lambda header: header["stem"]["weight"].update(kind="object"),
    "shift out of range": lambda header: header["convs"][0].update(shift=10**6),
    "shift that is a bool": lambda header: header["convs"][0].update(shift=True),
    "layer left out": lambda header: header["convs"].pop() and None,
    "foreign layer key": lambda header: header["convs"][0].update(code="x"),
    "branch left out": lambda header: header["convs"][0].update(si=None),
    "link left out": lambda header: header["convs"][0].update(link_multiplier=None),
    "scale that is no number": lambda header: header["classifier"].update(logit_scale=float("nan")),
    "logit that 32 bits do not hold": lambda header: header["classifier"].update(pool_shift=0),
    "scale that is a word": lambda header: header["classifier"].update(logit_scale="x"),
    "scale of a thousand digits": lambda header: header["classifier"].update(logit_scale=10**1000),
    "scale in quotes": lambda header: header["classifier"].update(logit_scale="3.5"),
    "scale that is a bool": lambda header: header["classifier"].update(logit_scale=True),
    "kind that is a list": lambda header: header["stem"]["offset"].update(kind=["int8"]),
    "shape of reals": lambda header: header["stem"]["offset"].update(shape=[2.0]),
    "pool_shift beyond the map": lambda header: header["classifier"].update(pool_shift=7),
    "layers that are a table": lambda header: header.update(convs={str(i): c for i, c in enumerate(header["convs"])}),
    "thresholds not ascending": lambda header: header["convs"][0].update(
        activation_thresholds={**header["convs"][0]["activation_thresholds"], "at": 0}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_headers_that_do_not_fit_the_design_are_refused(content, name):
    with pytest.raises(ProgramError, match="hostile"):
        program_from_bytes(rebuilt(content, HOSTILE[name]), "hostile")


def test_no_array_is_decoded_that_the_design_does_not_ask_for(content, monkeypatch):
    decoded = []
    monkeypatch.setattr(ArrayReader, "_slice", lambda reader, start, length: decoded.append(length) or bytes(length))

    def enlarge(header):
        header["convs"][0]["offset"] = {"kind": "int8", "shape": [1 << 20], "at": 0}
        header["convs"] = header["convs"][:1] * 1000

    with pytest.raises(ProgramError, match="no list of 6, as the design has them"):
        program_from_bytes(rebuilt(content, enlarge))
    with pytest.raises(ProgramError, match=r"offset: an array has the shape \[1048576\]; the design asks for \[2\]"):
        program_from_bytes(
            rebuilt(content, lambda header: header["stem"].update(offset={"kind": "int8", "shape": [1 << 20], "at": 0}))
        )
    assert max(decoded) < 100


def test_arrays_that_share_bytes_are_refused():
    writer = ArrayWriter()
    description = writer.add(np.arange(9))
    reader = ArrayReader(writer.data())
    reader.integers(description, (9,))
    with pytest.raises(ProgramError, match="share bytes"):
        reader.integers(description, (9,))


def constants(program: Program, **changes) -> bytes:
    """The file of a program whose first convolution has other constants."""
    first = dataclasses.replace(program.convs[0], **changes)
    return program_bytes(dataclasses.replace(program, convs=(first, *program.convs[1:])))


def test_constants_that_hardware_could_not_use_are_refused(program):
    channels = len(program.convs[0].split)
    for changes, what in (
        ({"gate_threshold": np.full(channels, 2**32 - 9)}, r"gate_threshold is out of range; allowed: -19 to 19"),
        ({"gate_threshold": np.full(channels, -20)}, "gate_threshold is out of range"),
        ({"residual_multiplier": np.full(channels, 1 << 47)}, "residual_multiplier does not fit 27 bits"),
        ({"residual_multiplier": np.full(channels, (1 << 26) + 1)}, "residual_multiplier does not fit 27 bits"),
    ):
        with pytest.raises(ProgramError, match=what):
            program_from_bytes(constants(program, **changes))
    for factor in (0, 1 << 46, (1 << 26) - 1):
        program_from_bytes(constants(program, residual_multiplier=np.full(channels, factor)))


@pytest.mark.parametrize(("factor", "legal"), [(3, True), (-15, True), (1, True), (5, False)])
def test_stems_may_shift_further_than_constants_are_wide(program, factor, legal):
    stem = dataclasses.replace(program.stem, multiplier=np.array([factor << 20, 0]))
    content = program_bytes(dataclasses.replace(program, stem=stem))
    if legal:
        program_from_bytes(content)
    else:
        with pytest.raises(ProgramError, match="stem: multiplier does not fit 16 bits and is no shift"):
            program_from_bytes(content)


def test_deeply_nested_headers_are_refused(content):
    _, version, _, _, _ = PREFIX.unpack_from(content)
    text = b"[" * 200_000
    raw = PREFIX.pack(b"FRACPROG", version, len(text), 0, hashlib.sha256(text).digest()) + text
    with pytest.raises(ProgramError, match="does not describe a program"):
        program_from_bytes(raw)


def test_files_that_cannot_be_read_or_written_say_so(program, tmp_path):
    with pytest.raises(ProgramError, match="cannot be read: No such file"):
        load_program(tmp_path / "none")
    with pytest.raises(ProgramError, match="cannot be written: No such file"):
        save_program(program, tmp_path / "none" / "file")
    with pytest.raises(ProgramError, match="cannot be read"):
        load_program(tmp_path)


@given(
    signs=st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=40),
    numbers=st.lists(st.integers(-(2**48), 2**48), min_size=1, max_size=20),
)
def test_arrays_come_back(signs, numbers):
    writer = ArrayWriter()
    first, second = writer.add(np.array(signs, np.int8)), writer.add(np.array(numbers, np.int64))
    third = writer.add(np.array(signs) > 0)
    reader = ArrayReader(writer.data())
    assert reader.signs(first, (len(signs),)).tolist() == signs
    assert reader.integers(second, (len(numbers),)).tolist() == numbers
    assert reader.bits(third, (len(signs),)).tolist() == [sign > 0 for sign in signs]


def test_bit_order_is_the_documented_one():
    writer = ArrayWriter()
    writer.add(np.array([1, -1, -1, -1, -1, -1, -1, -1, 1, 1], np.int8))
    assert writer.data() == b"\x01\x03"
    writer.add(np.array([1, -2, 300], np.int64))
    assert writer.data()[2:] == b"\x01\x00\xfe\xff\x2c\x01"
