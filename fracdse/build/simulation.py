"""Running images through the Verilated accelerator: logits, counters and the cycles of every frame."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fracdse.build.processes import run_to_end, side_by_side
from fracdse.build.tools import checked_jobs
from fracdse.build.verilator import CompileOptions, compile_model
from fracdse.errors import BuildFailed, ConfigError

_MAIN = Path(__file__).with_name("cpp") / "simulate.cpp"
_HEADER_WORDS = 8
_STUCK_STATUS = 3
# Frames of a run that are left out of the steady state, at either end.
_FILLING_FRAMES = 2
# The bench counts pauses in 256ths of all cycles; all of them would be no pause but an end.
_LONGEST_PAUSE = 0.99

ImageArray = NDArray[np.uint8]
LogitArray = NDArray[np.int32]
CycleArray = NDArray[np.int64]


@dataclass(frozen=True)
class SimulationOptions:
    """How to simulate.

    Attributes:
        pause_in: Share of cycles, 0 to 0.99, in which the source holds back a word.
        pause_out: The same for the sink.
        seed: Seed of the pauses.
        reset_after_words: Send so many words of a first frame, reset, and only then run; 0: do not.
        patience_cycles: Cycles without a word on either stream after which the run counts as stuck.
        jobs: Simulators at once, the images shared among them; one a processor where None.
        timeout_s: Longest time of a simulator.
        compile: How to compile the model.
    """

    pause_in: float = 0.0
    pause_out: float = 0.0
    seed: int = 1
    reset_after_words: int = 0
    patience_cycles: int = 2_000_000
    jobs: int | None = None
    timeout_s: int = 3600
    compile: CompileOptions = field(default_factory=CompileOptions)


@dataclass(frozen=True)
class SimulationResult:
    """What came out of a simulated accelerator.

    Attributes:
        logits: (images, classes).
        build_id: What the accelerator says it was built from.
        gate_counts: Open gates of each gated convolution, over all images.
        first_word_cycles: (images,): cycle of each frame's first input word, from the start of its run.
        last_logit_cycles: (images,): cycle of each frame's last logit, from the start of its run.
        counted_cycles: The accelerator's own cycle counter, summed over the runs.
        runs: Number of images of each run; frames within a run follow each other without a gap.
    """

    logits: LogitArray
    build_id: int
    gate_counts: tuple[int, ...]
    first_word_cycles: CycleArray
    last_logit_cycles: CycleArray
    counted_cycles: int
    runs: tuple[int, ...]

    @property
    def latency_cycles(self) -> int:
        """Cycles from the first input word of a run's first frame to its last logit, in an empty pipeline."""
        return int(self.last_logit_cycles[0] - self.first_word_cycles[0])

    @property
    def cycles_per_frame(self) -> float:
        """Mean cycles from one frame's last logit to the next one's, once the pipeline is full."""
        spans = [self._span(end - count, end) for count, end in zip(self.runs, np.cumsum(self.runs), strict=True)]
        frames = sum(frames for frames, _ in spans)
        return sum(cycles for _, cycles in spans) / frames

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Return (frames, cycles) of the steady part of one run; all of a run too short to have one."""
        stamps = self.last_logit_cycles[start:end]
        if len(stamps) == 1:
            return 1, int(stamps[0])
        steady = stamps[min(_FILLING_FRAMES, len(stamps) - 2) :]
        return len(steady) - 1, int(steady[-1] - steady[0])


def simulate(
    verilog: Mapping[str, str] | str,
    images: ImageArray,
    *,
    top: str,
    classes: int,
    gated_layers: int,
    options: SimulationOptions | None = None,
) -> SimulationResult:
    """Run images through an accelerator with the ports and registers of fracdse/registers.py.

    Args:
        verilog: One text, or texts by file name.
        images: (N, height, width, colours), bytes.
        top: Name of the top module.
        classes: Logits a frame.
        gated_layers: Gate counters to read.
        options: How to simulate.

    Raises:
        ToolNotFound: Verilator or a C++ compiler is missing.
        BuildFailed: The model does not compile, stops making progress (the message says which stream is stuck), or
            breaks the rules of its streams or registers.
        ConfigError: An option is out of range.
    """
    options = options or SimulationOptions()
    _check(images, options)
    executable = compile_model(verilog, _MAIN.read_text(), top=top, options=options.compile)
    words = frame_words(images)
    jobs = min(checked_jobs(options.jobs), len(images))
    parts = [part for part in np.array_split(words, jobs) if len(part)]

    def run(share: tuple[int, NDArray[np.uint32]]) -> SimulationResult:
        index, part = share
        return _run(executable, part, classes, gated_layers, options, index)

    return _joined(side_by_side(run, list(enumerate(parts)), jobs))


def frame_words(images: ImageArray) -> NDArray[np.uint32]:
    """Return the stream words of images, (N, words): bytes in row, column, colour order, zeros up to a whole word."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4)))
    return np.ascontiguousarray(padded).view("<u4")


def _check(images: ImageArray, options: SimulationOptions) -> None:
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        raise ConfigError(
            f"images of shape {images.shape} and type {images.dtype}; needed: (N, height, width, colours) of uint8"
        )
    for name in ("pause_in", "pause_out"):
        if not 0 <= getattr(options, name) <= _LONGEST_PAUSE:
            raise ConfigError(f"{name} = {getattr(options, name)} is out of range; allowed: 0 to {_LONGEST_PAUSE}")
    words = -(-images[0].size // 4)
    if not 0 <= options.reset_after_words < words:
        raise ConfigError(f"reset_after_words = {options.reset_after_words} is out of range; allowed: 0 to {words - 1}")


def _run(
    executable: Path, words: NDArray[np.uint32], classes: int, gated_layers: int, options: SimulationOptions, index: int
) -> SimulationResult:
    """Run one simulator on its share of the frames."""
    settings = [
        len(words), words.shape[1], classes, gated_layers, options.seed + index, round(options.pause_in * 256),
        round(options.pause_out * 256), options.patience_cycles, options.reset_after_words,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="fracdse-sim-") as name:
        source, target = Path(name) / "in", Path(name) / "out"
        source.write_bytes(np.array(settings, dtype="<u4").tobytes() + words.tobytes())
        _call(executable, source, target, options.timeout_s)
        values = np.frombuffer(target.read_bytes(), dtype="<i8")
    frames = len(words)
    expected = _HEADER_WORDS + 2 * frames + gated_layers + frames * classes
    if len(values) != expected:
        raise BuildFailed(f"the simulator wrote {len(values)} values, not {expected}")
    _, build_id, counted, done, _, layers, said_classes, said_words = (int(value) for value in values[:_HEADER_WORDS])
    said, asked = (done, layers, said_classes, said_words), (frames, gated_layers, classes, words.shape[1])
    if said != asked:
        raise BuildFailed(
            f"the registers FRAMES_DONE, GATED_LAYERS, CLASSES, FRAME_WORDS read {said}; expected: {asked}"
        )
    stamps = values[_HEADER_WORDS : _HEADER_WORDS + 2 * frames].reshape(frames, 2)
    gates = values[_HEADER_WORDS + 2 * frames :][:gated_layers]
    logits = values[_HEADER_WORDS + 2 * frames + gated_layers :].reshape(frames, classes).astype(np.int32)
    return SimulationResult(
        logits, build_id & (2**64 - 1), tuple(map(int, gates)), stamps[:, 0], stamps[:, 1], counted, (frames,)
    )


def _call(executable: Path, source: Path, target: Path, timeout_s: int) -> None:
    command = [str(executable), str(source), str(target)]
    try:
        status, talk = run_to_end(command, source.parent, "the simulation", timeout_s=timeout_s)
    except OSError as error:
        raise BuildFailed(f"the simulator '{executable}' does not start: {error.strerror}") from error
    if status == _STUCK_STATUS:
        raise BuildFailed(f"the simulated accelerator is stuck: {talk.strip().removeprefix('STUCK: ')}")
    if status != 0:
        raise BuildFailed(f"the simulator failed (status {status}): {talk.strip()}")


def _joined(results: list[SimulationResult]) -> SimulationResult:
    gates = np.array([result.gate_counts for result in results], dtype=np.int64).sum(axis=0)
    return SimulationResult(
        np.concatenate([result.logits for result in results]),
        results[0].build_id,
        tuple(map(int, gates)),
        np.concatenate([result.first_word_cycles for result in results]),
        np.concatenate([result.last_logit_cycles for result in results]),
        sum(result.counted_cycles for result in results),
        tuple(len(result.logits) for result in results),
    )
