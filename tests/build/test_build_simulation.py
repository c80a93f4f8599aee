import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fracdse.board import model_process
from fracdse.build import simulation, verilator
from fracdse.build.simulation import SimulationOptions, frame_words, simulate
from fracdse.build.verilator import CompileOptions, compile_model, lint
from fracdse.errors import BuildFailed, ConfigError, ToolNotFound

TOY = (Path(__file__).parent / "toy_accelerator.v").read_text()


MAIN = "int main() { return 7; }"
STUCK, WITHDRAWING, LEAKING = 0xF1, 0xF2, 0xF3


@pytest.fixture
def compiled(shared_cache):
    return SimulationOptions(compile=CompileOptions(cache=shared_cache))


def images(count, fault=0):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 2, 7, 1), dtype=np.uint8)
    pixels[0, 0, 0, 0] = fault
    return pixels


def run(options, count=20, fault=0):
    return simulate(TOY, images(count, fault), top="toy", classes=3, gated_layers=2, options=options)


def expected(count, fault=0):
    sums = images(count, fault).reshape(count, -1).sum(axis=1, dtype=np.int32)
    return sums[:, None] * np.array([1, 2, 3], dtype=np.int32)


def test_words_are_padded_with_zeros():
    words = frame_words(np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1))
    assert words.tolist() == [[0x03020100, 0x00000504]]


def test_logits_counters_and_cycles(compiled):
    result = run(replace(compiled, jobs=1))
    assert np.array_equal(result.logits, expected(20))
    assert result.build_id == 0x0123456789ABCDEF
    bits = frame_words(images(20))
    assert result.gate_counts == (int((bits & 1).sum()), int((bits >> 1 & 1).sum()))
    assert result.cycles_per_frame == 4
    assert result.latency_cycles == 4 + 3 - 1
    assert result.counted_cycles == pytest.approx(20 * 4 + 3, abs=6)


def test_images_are_shared_among_simulators(compiled):
    result = run(replace(compiled, jobs=3))
    assert result.runs == (7, 7, 6)
    assert np.array_equal(result.logits, expected(20))
    assert result.cycles_per_frame == 4
    assert result.gate_counts == run(replace(compiled, jobs=1)).gate_counts


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pauses_on_both_ends_change_nothing_but_time(compiled, seed):
    options = replace(compiled, pause_in=0.4, pause_out=0.6, seed=seed, jobs=2)
    result = run(options)
    assert np.array_equal(result.logits, expected(20))
    assert result.cycles_per_frame > 4


@pytest.mark.parametrize("words", [1, 3])
def test_reset_in_mid_frame_leaves_no_trace(compiled, words):
    assert np.array_equal(run(replace(compiled, reset_after_words=words, jobs=1)).logits, expected(20))


def test_a_leak_through_reset_is_seen(compiled):
    right = expected(20, LEAKING)
    assert np.array_equal(run(replace(compiled, jobs=1), fault=LEAKING).logits, right)
    assert not np.array_equal(run(replace(compiled, reset_after_words=3, jobs=1), fault=LEAKING).logits, right)


def test_stuck_accelerator_names_the_stream(compiled):
    options = replace(compiled, patience_cycles=1000, jobs=1)
    with pytest.raises(BuildFailed, match=r"stuck: input stream: 15 words accepted, 65 left and s_axis_tready low"):
        run(options, fault=STUCK)


def test_withdrawn_word_is_a_fault(compiled):
    with pytest.raises(BuildFailed, match="withdrew or changed a word"):
        run(replace(compiled, pause_out=0.5, jobs=1), fault=WITHDRAWING)


def test_registers_must_agree(compiled):
    with pytest.raises(BuildFailed, match=r"read \(20, 2, 3, 4\); expected: \(20, 1, 3, 4\)"):
        simulate(TOY, images(20), top="toy", classes=3, gated_layers=1, options=replace(compiled, jobs=1))


@pytest.mark.parametrize(
    "change", [{"pause_in": 1.0}, {"pause_in": 0.999}, {"pause_out": -0.1}, {"reset_after_words": 4}]
)
def test_options_out_of_range(compiled, change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        run(replace(compiled, **change))


def test_images_must_be_bytes(compiled):
    with pytest.raises(ConfigError, match="uint8"):
        simulate(TOY, images(3).astype(float), top="toy", classes=3, gated_layers=2, options=compiled)


def test_verilog_that_does_not_compile(cache):
    with pytest.raises(BuildFailed, match="Verilator failed: %Error"):
        compile_model("module toy (input clk; endmodule", "int main() {}", top="toy")


def test_main_that_does_not_compile(compiled):
    with pytest.raises(BuildFailed, match=r"compiler failed: .*error"):
        compile_model(TOY, "int main() { return nothing; }", top="toy", options=compiled.compile)


def test_missing_compiler_names_both_ways(cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolNotFound) as caught:
        compile_model(TOY, "int main() {}", top="toy")
    assert "apt-get install g++" in caught.value.hint
    assert "CXX" in caught.value.hint


def test_a_damaged_model_is_compiled_again(compiled):
    model = compile_model(TOY, MAIN, top="toy", options=compiled.compile)
    whole = model.read_bytes()
    for damage in (lambda: model.write_bytes(whole[: len(whole) // 2]), model.unlink, lambda: model.chmod(0o644)):
        damage()
        assert compile_model(TOY, MAIN, top="toy", options=compiled.compile) == model
        assert subprocess.run([model], check=False).returncode == 7
    objects = next(path for path in model.parent.parent.glob("objects-*/*.o"))
    objects.write_bytes(objects.read_bytes()[:100])
    model.unlink()
    compile_model(TOY, MAIN, top="toy", options=compiled.compile)
    assert subprocess.run([model], check=False).returncode == 7


def test_a_model_that_does_not_start_is_named(monkeypatch, tmp_path):
    model = tmp_path / "model"
    model.write_text("#!/nowhere/program\n")
    model.chmod(0o755)
    monkeypatch.setattr(simulation, "compile_model", lambda *_, **__: model)
    with pytest.raises(BuildFailed, match=f"the simulator '{model}' does not start: No such file"):
        run(SimulationOptions(jobs=1))
    monkeypatch.setattr(model_process, "compile_model", lambda *_, **__: model)
    with pytest.raises(BuildFailed, match=f"the accelerator's model '{model}' does not start: No such file"):
        model_process.ModelProcess("", "toy")


def test_the_compiler_is_looked_for_once_a_build_and_not_once_a_file(compiled, monkeypatch):
    compile_model(TOY, MAIN, top="toy", options=compiled.compile)
    looked = []
    find = verilator.find_compiler
    monkeypatch.setattr(verilator, "find_compiler", lambda: looked.append(1) or find())
    folder = compile_model(TOY, MAIN.replace("7", "8"), top="toy", options=compiled.compile).parent
    assert folder.is_dir()
    assert len(looked) <= 5


def test_lint():
    messages = lint("module m (input [3:0] a, output [7:0] b); wire [6:0] c = a; assign b = c; endmodule\n", top="m")
    assert any("WIDTH" in message for message in messages)
    assert lint("module m (input [3:0] a, output [3:0] b); assign b = a; endmodule\n", top="m") == []
