"""Cycles a frame of a compact accelerator: its lanes and its writer of codes, followed row by row.

Both wait for each other: a row of the lanes needs the codes of the rows that its windows reach, and a row of codes
needs a row that the lanes have written and a free place in the ring. Blocks begin every fourth cycle, and no sooner
than their weights and constants are loaded. Gates do not matter: both planes always run. The rules are those of
`fracdse.accelerator.compact` (sequencer, code writer, input writer, constant store); times are cycles from the end of
the last frame's last block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from fracdse.compact_plan import PHASES, CompactLayer, CompactPlan
from fracdse.hardware.cycles import CLASSIFIER_LATENCY

# From taps to sums (adder trees over 9·group products), by the channels of a group.
LANE_LATENCY = {8: 5, 16: 6}
# A block's weights: a memory word a lane, its way to the counted edges, and the next block's description before it.
_WEIGHTS_LOADED = {8: 14, 16: 16}
# Constants of the next word of channels: from a block's begin, less the lanes' latency, to the first read; from the
# last read to a block that takes them. Thresholds: from a step to the first read; in all, less one a memory word.
_CONSTANTS_READ, _CONSTANTS_ARRIVE = 6, 3
_FETCH_BEGINS, _THRESHOLDS_LOADED = 4, 6
# From the end of a row's last block until the code writer may read it; from a row's begin until a place is free.
_ROW_WRITTEN = 22
_ROW_FREED = 3
# From the last step of a row of codes to a block that needs it.
_CODES_DONE = 10
# From the end of a frame, or of a row of pixels, until the input writer goes on, and from its last pixel to a block.
_INPUT_BEGINS, _INPUT_BETWEEN, _INPUT_DONE = 2, 1, 3
# From a frame's first word to its first pixel; from the last block's end to the classifier's begin.
_FIRST_WORD = 1
_POOLED = 5


@dataclass(frozen=True)
class CompactTimes:
    """Cycles from frame to frame, and from a frame's first word to its last logit in an idle accelerator.

    layers: from the end of the layer before to that of each; the stem's begin with the end of the frame before.
    classifier: of its own frame, beside the next one.
    """

    frame: int
    latency: int
    layers: tuple[int, ...]
    classifier: int


@lru_cache(maxsize=20_000)
def compact_times(plan: CompactPlan, post_words: int, code_words: int) -> CompactTimes:
    """Return the times of a plan.

    Args:
        plan: Sizes and layers.
        post_words: Memory words that the constants of a word of output channels take.
        code_words: Memory words that the thresholds of a word of input channels take.
    """
    lanes = _Lanes(plan, post_words, code_words)
    writer = _CodeWriter(plan, code_words, lanes)
    lanes.run(writer)
    classifier = plan.classes * (plan.features + CLASSIFIER_LATENCY)
    latency = _FIRST_WORD + lanes.end + LANE_LATENCY[plan.group] + _POOLED + classifier
    ends = [0, *(rows[-1] for rows in lanes.ends)]
    layers = tuple(end - before for before, end in pairwise(ends))
    return CompactTimes(max(lanes.end, classifier), latency, layers, classifier)


class _Lanes:
    """Blocks of all layers, a row after the other.

    begins, ends: of every row so far, by layer. freed: for each place of the ring that was freed, when. `end`: of the
    last row.
    """

    def __init__(self, plan: CompactPlan, post_words: int, code_words: int) -> None:
        self._plan, self._post_words = plan, post_words
        self._weights = _steps(_WEIGHTS_LOADED[plan.group])
        self._read_begins = LANE_LATENCY[plan.group] + _CONSTANTS_READ
        # No thresholds can hold constants up for longer than this: each is read once in so many cycles at the most.
        longest = self._read_begins + post_words + _CONSTANTS_ARRIVE
        fetches = 2 + longest // _steps(_THRESHOLDS_LOADED + code_words)
        self._slowest_constants = _steps(longest + fetches * code_words)
        self.begins: list[list[int]] = [[] for _ in plan.layers]
        self.ends: list[list[int]] = [[] for _ in plan.layers]
        self.freed: list[int] = []
        self.end = 0
        # From when on the next block's weights, and the next constants, are loaded.
        self._weights_there = self._constants_there = 0
        self._fetch = 0

    def run(self, writer: _CodeWriter) -> None:
        """Follow a frame."""
        stem = self._plan.layers[0]
        pixels = _InputWriter(self, writer, stem)
        for row in range(stem.rows):
            pixels.go_on(row)
            self._row(0, pixels.done(min(row + 1, stem.in_rows - 1)), writer)
        for index, layer in enumerate(self._plan.layers[1:], start=1):
            for row in range(layer.rows):
                last = min(layer.stride * row + 1, layer.in_rows - 1)
                self._row(index, writer.done(index, last), writer)

    def _row(self, index: int, codes: int, writer: _CodeWriter) -> None:
        """Add a row whose codes are there from cycle `codes` on."""
        layer = self._plan.layers[index]
        block = max(layer.block_cycles, self._weights)
        begin = max(self.end, self._weights_there, _steps(codes))
        if layer.groups == 1:
            begin = max(begin, self._constants_there)
        self._free(index, begin)
        while writer.go_on():
            pass
        words = layer.words
        if layer.groups * block >= self._slowest_constants:
            begin = max(begin, self._constants_there - (layer.groups - 1) * block)
            begin += (words - 1) * layer.groups * block
            words = 1
        for _ in range(words):
            last = max(begin + (layer.groups - 1) * block, self._constants_there)
            self._constants_there = _steps(self._loaded(last, writer))
            begin = last + block
        self._weights_there = last + self._weights
        self.end = last + layer.block_cycles
        self.ends[index].append(self.end)

    def _free(self, index: int, begin: int) -> None:
        """Note a row's begin, which frees what only the row before it needed."""
        self.begins[index].append(begin)
        before = self._plan.layers[index if len(self.begins[index]) > 1 else index - 1]
        if index > 1 or len(self.begins[index]) > 1:
            self.freed += [begin] * (0 if index == 0 else before.stride)

    def _loaded(self, begin: int, writer: _CodeWriter) -> int:
        """Return when the constants are loaded that are asked for as a block begins; thresholds go first."""
        begin += self._read_begins
        end = begin + self._post_words
        fetches, words = writer.fetches, writer.code_words
        while self._fetch < len(fetches) and fetches[self._fetch] < end:
            end += max(0, min(words, fetches[self._fetch] + words - begin))
            self._fetch += 1
        return end + _CONSTANTS_ARRIVE


class _CodeWriter:
    """Rows of codes of all gated convolutions; a row is followed as soon as all that it waits for is known.

    spans: when it writes; fetches: when it begins to read thresholds of so many `code_words`.
    """

    def __init__(self, plan: CompactPlan, code_words: int, lanes: _Lanes) -> None:
        self._plan, self._lanes, self.code_words = plan, lanes, code_words
        self._phase = (2 + LANE_LATENCY[plan.group]) % PHASES
        self._thresholds = _steps(_THRESHOLDS_LOADED + code_words)
        self._index, self._begun, self._goes_on = 1, 0, 0
        self.spans: list[tuple[int, int]] = []
        self.fetches: list[int] = []
        self._done: list[list[int]] = [[] for _ in plan.layers]

    def done(self, index: int, row: int) -> int:
        """Return from which cycle on a block may take a row of codes of a layer's input."""
        while len(self._done[index]) <= row:
            if not self.go_on():
                raise AssertionError("lanes and code writer wait for each other")
        return self._done[index][row]

    def go_on(self) -> bool:
        """Follow the next row, or pair of rows; tell whether all that it waits for was known."""
        if self._index == len(self._done):
            return False
        layer, done = self._plan.layers[self._index], self._done[self._index]
        written, needed = self._lanes.ends[self._index - 1], len(done) + layer.stride
        free = self._place_free(layer.stride)
        if len(written) < needed or free is None:
            return False
        begin = max(written[needed - 1] + _ROW_WRITTEN, free, self._goes_on)
        begin += (self._phase - begin) % PHASES
        columns = layer.half_in_columns * layer.stride * PHASES
        word = max(columns, self._thresholds)
        end = begin + (layer.in_words - 1) * word + columns
        self.fetches += range(begin + _FETCH_BEGINS, begin + layer.in_words * word, word)
        self.spans.append((begin, end))
        self._goes_on = begin + layer.in_words * word
        self._begun += layer.stride
        done += [end - PHASES + _CODES_DONE] * layer.stride
        if len(done) == layer.in_rows:
            self._index += 1
        return True

    def _place_free(self, rows: int) -> int | None:
        """Return from which cycle on the ring has room for some more rows; None where that is not known yet.

        One place is always that of a row above the first. While the stem runs, its own codes take the others'.
        """
        begun = self._begun + rows
        if begun <= self._plan.early_rows:
            return 0
        stem = self._lanes.ends[0]
        excess = 1 + begun - self._plan.ring_rows
        if len(stem) < self._plan.layers[0].rows or excess > len(self._lanes.freed):
            return None
        left = stem[-1] + _ROW_WRITTEN
        return left if excess <= 0 else max(left, self._lanes.freed[excess - 1] + _ROW_FREED)


class _InputWriter:
    """Rows of pixels: begun two rows ahead of the lanes, held up while codes are written."""

    def __init__(self, lanes: _Lanes, writer: _CodeWriter, stem: CompactLayer) -> None:
        self._lanes, self._writer, self._stem = lanes, writer, stem
        self._ends: list[int] = []

    def go_on(self, row: int) -> None:
        """Follow the rows of pixels that may be written before the lanes begin a row."""
        cycles = self._stem.in_columns * self._stem.groups
        while len(self._ends) < min(row + 2, self._stem.in_rows):
            index = len(self._ends)
            begin = self._ends[-1] + _INPUT_BETWEEN if self._ends else _INPUT_BEGINS
            if index > 2:
                begin = max(begin, self._lanes.begins[0][index - 2] + 3)
            while self._writer.go_on():
                pass
            self._ends.append(self._blocked(begin, cycles))

    def _blocked(self, begin: int, cycles: int) -> int:
        """Return the end of so many cycles of work in which the code writer does not write."""
        end = begin + cycles
        for first, last in self._writer.spans:
            if first < end and last > begin:
                end += last - max(first, begin)
        return end

    def done(self, row: int) -> int:
        """Return from which cycle on a block may take a row."""
        return self._ends[row] + _INPUT_DONE


def _steps(cycles: int) -> int:
    """Round up to whole rounds of phases."""
    return -(-cycles // PHASES) * PHASES
