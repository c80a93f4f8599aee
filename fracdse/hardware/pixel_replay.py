"""Cycles of layers behind each other, replayed pixel by pixel: who waits for whom where there is no queue between.

A layer at its own pace (`fracdse.hardware.cycles`) is what most accelerators are limited by. Sliced layers are not: a
sliced window takes pixels as long as they leave the columns alone that the lane still needs, so after each row of
outputs its lane waits for the last pixels that the next row's first output needs, and while it works the layer before
it waits. Mirrors fracdse.accelerator.sliced_window; gates open as often in every pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

# From a pixel's last word in the stem, or the end of a pixel's work in a layer, to its codes in front of the next one.
STEM_DELAY = 14
LAYER_DELAY = 12
_SMALL_IMAGE_PIXELS = 400
Times = list[float]


@dataclass(frozen=True)
class Codes:
    """The codes that a layer gets: when the pixels were begun and done by whoever made them, and the way from there.

    total: How many there will be.
    """

    began: Times
    done: Times
    delay: float
    total: int

    def known(self, pixel: int) -> bool:
        """Tell whether it is known when a pixel arrives, or that it never does."""
        return pixel < len(self.done) or pixel >= self.total

    def begins(self, pixel: int) -> float:
        """Return when the first code of a pixel arrives."""
        return self.began[pixel] + self.delay if pixel < self.total else inf

    def whole(self, pixel: int) -> float:
        """Return when the last code of a pixel arrives."""
        return self.done[pixel] + self.delay if pixel < self.total else inf


@dataclass
class Stage:
    """A layer in the replay. Pixels and outputs are counted on through all frames.

    height, width: Of the input; `stride` and `kernel` of the layer.
    work: Cycles of an output in each column of a row.
    taking: Cycles to take a pixel in.
    ahead: Whether pixels may be taken in up to a row ahead of the outputs: a sliced layer.
    by_channel: Whether codes arrive channel by channel; else pixel by pixel.
    queue: Pixels that wait in front.
    held: Outputs that may be done and not yet be taken by the next layer.
    memory: Pixels that the shortcut holds at most, from a pixel's arrival to the output that uses it.
    taken, began, done: When each pixel was taken in, and each output begun and done: what is replayed.
    """

    height: int
    width: int
    stride: int
    kernel: int
    work: Sequence[float]
    taking: float
    ahead: bool
    by_channel: bool
    queue: int
    held: int
    memory: int
    taken: Times = field(default_factory=list)
    began: Times = field(default_factory=list)
    done: Times = field(default_factory=list)
    _alone: dict[int, bool] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """Return the pixels of a frame that come in."""
        return self.height * self.width

    @property
    def columns(self) -> int:
        """Return the outputs of a row."""
        return -(-self.width // self.stride)

    @property
    def outputs(self) -> int:
        """Return the outputs of a frame."""
        return -(-self.height // self.stride) * self.columns

    def freed_by(self, pixel: int) -> int:
        """Return the output that must be done before a pixel may be taken in; negative for none."""
        frame, index = divmod(pixel, self.inputs)
        row, column = divmod(index, self.width)
        if self.kernel == 1:
            return pixel // self.stride**2 - 2
        group = row - 1 if self.stride == 1 else row // 2
        if self.ahead:
            # The first row serves the last outputs of the frame before too, unless they went ahead without it.
            if row == 0 and self._alone.get(frame - 1):
                group = 0
            return (
                frame * self.outputs + (group - 1) * self.columns + min((column + 1) // self.stride, self.columns - 1)
            )
        last = -1 if self.stride > 1 and row % 2 == 0 else (column - 2) // self.stride - 1
        return frame * self.outputs + group * self.columns + last

    def needed(self, output: int, codes: Codes) -> int | None:
        """Return the last pixel that an output needs; None where that is not known yet."""
        frame, index = divmod(output, self.outputs)
        row, column = divmod(index, self.columns)
        if self.kernel == 1:
            return frame * self.inputs + self.stride * (row * self.width + column)
        below = self.stride * row + 1
        if below >= self.height:
            if frame not in self._alone and not self._decide(frame, codes):
                return None
            if self._alone[frame]:
                return (frame + 1) * self.inputs - 1
        return frame * self.inputs + below * self.width + min(self.stride * column + 1, self.width - 1)

    def _decide(self, frame: int, codes: Codes) -> bool:
        """Decide whether a frame's last row goes without the next frame's first; return whether that is known."""
        following = (frame + 1) * self.inputs
        freed = self.freed_by(following)
        if following > len(self.taken) or freed >= len(self.done) or not codes.known(following):
            return False
        waits_since = codes.begins(following) if self.by_channel else codes.whole(following)
        self._alone[frame] = waits_since > max(self.taken[following - 1] + 2, _time(self.done, freed))
        return True

    def take(self, codes: Codes) -> bool:
        """Take in the pixels that can be; return whether there was one."""
        before = len(self.taken)
        while len(self.taken) < len(codes.done):
            pixel = len(self.taken)
            freed = self.freed_by(pixel)
            if freed >= len(self.done):
                break
            ready = max(codes.whole(pixel), _time(self.done, freed), _time(self.taken, pixel - 1))
            self.taken.append(ready + self.taking)
        return len(self.taken) > before

    def compute(self, total: int, codes: Codes, after: Stage | None) -> bool:
        """Compute the outputs that can be, up to `total`; return whether there was one."""
        before = len(self.done)
        while len(self.done) < total:
            output = len(self.done)
            pixel = self.needed(output, codes)
            let_go = 0.0 if after is None else after.takes(output, self.held)
            if pixel is None or pixel >= len(self.taken) or let_go is None:
                break
            self.began.append(max(_time(self.done, output - 1), self.taken[pixel]))
            self.done.append(max(self.began[-1] + self.work[output % self.columns], let_go))
        return len(self.done) > before

    def takes(self, pixel: int, held: int) -> float | None:
        """Return from when a pixel of the layer before may be done; None where that is not known yet."""
        waiting = pixel - held - self.queue
        freed = self.freed_by(waiting) if waiting >= 0 else -1
        shortcut = pixel - self.memory if self.stride == 1 else -1
        if waiting > len(self.taken) or max(freed, shortcut) >= len(self.done):
            return None
        return max(_time(self.taken, waiting - 1), _time(self.done, freed), _time(self.done, shortcut))


def replay(stem_first: float, stem_pixel: float, stages: Sequence[Stage]) -> tuple[float, float]:
    """Return the cycles from frame to frame, and those of the first one, up to the last layer's last output.

    Args:
        stem_first: When the stem begins with its first pixel.
        stem_pixel: Its cycles a pixel.
        stages: The layers after it.
    """
    first, last = stages[0], stages[-1]
    frames = 8 if first.inputs <= _SMALL_IMAGE_PIXELS else 4
    total, held = frames * first.inputs, 3 + int(STEM_DELAY / stem_pixel)
    began: Times = []
    done: Times = []
    moved = True
    while moved:
        moved = False
        while len(done) < total:
            let_go = first.takes(len(done), held)
            if let_go is None:
                break
            began.append(done[-1] if done else stem_first)
            done.append(max(began[-1] + stem_pixel, let_go))
            moved = True
        codes = Codes(began, done, STEM_DELAY, total)
        for stage, after in zip(stages, [*stages[1:], None], strict=True):
            moved |= stage.take(codes)
            moved |= stage.compute(frames * stage.outputs, codes, after)
            codes = Codes(stage.began, stage.done, LAYER_DELAY, frames * stage.outputs)
    ends = last.done[last.outputs - 1 :: last.outputs]
    return (ends[-2] - ends[1]) / (frames - 3), ends[0] + LAYER_DELAY


def _time(times: Sequence[float], index: int) -> float:
    return times[index] if index >= 0 else 0.0
