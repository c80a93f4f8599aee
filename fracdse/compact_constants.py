"""How a compact accelerator's constants lie in their block memory: the rule that generator and cost model share.

Two kinds of records lie in it, each for `LANES` channels: what follows a sum (`post`), and the thresholds of codes.
Either begins with a word of its own; the width of a word is the one that takes the fewest blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.compact_plan import LANES
from fracdse.memories import bram18

_WIDTHS = range(36, 325, 36)


@dataclass(frozen=True)
class ConstantShape:
    """Words of `width` bits, `depth` of them; a post takes `post_words`, the thresholds of a word `code_words`."""

    width: int
    post_words: int
    code_words: int
    depth: int

    @property
    def blocks(self) -> int:
        """Blocks of RAM, of 18 Kib each."""
        return bram18(self.width, self.depth)


def constant_shape(post_bits: int, posts: int, threshold_bits: int, codes: int) -> ConstantShape:
    """Return the shape of the memory.

    Args:
        post_bits: Bits of a channel's constants behind a sum.
        posts: Words of output channels of all layers.
        threshold_bits: Bits of a channel's thresholds.
        codes: Words of input channels of all gated convolutions.
    """

    def of(width: int) -> ConstantShape:
        post_words, code_words = -(-LANES * post_bits // width), -(-LANES * threshold_bits // width)
        return ConstantShape(width, post_words, code_words, posts * post_words + codes * code_words)

    return min(map(of, _WIDTHS), key=lambda shape: (shape.blocks, shape.width))
