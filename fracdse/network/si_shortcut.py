"""An SI-style (squeeze and interaction) shortcut after arXiv 2007.05223, in fixed point from the first step on.

The paper names the structure and its cost of about a tenth of the parameters; layers, precision and training are ours:
a 1×1 squeeze from C to S channels, a 3×3 interaction on them with the block's stride, and a 1×1 expansion, whose result
is added to the block's output before its last batch norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from fracdse.network.fused.branch import BranchSettings, fused_branch
from fracdse.network.fused.launch import can_fuse
from fracdse.network.partners import Partners
from fracdse.network.quantisers import covering_step, fixed_point, on_grid, power_of_two_step
from fracdse.topology import GatedConvSpec, SIBranchSpec

_RANGE_MEMORY = 0.98
_MOST_FUSED_BITS = 8  # whose integers bfloat16 holds


class Range(nn.Module):
    """Keep the largest magnitude of a signal, averaged over batches, and the power-of-two step that covers it.

    `partners` are the processes that train on other parts of the same batch; None where there is only this one.
    """

    largest: Tensor
    partners: Partners | None = None

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits
        self.register_buffer("largest", torch.zeros(()))

    @property
    def step(self) -> Tensor:
        """The quantisation step, a power of two."""
        return power_of_two_step(self.largest, self._bits)

    def forward(self, x: Tensor) -> Tensor:
        """Quantise x; in training, follow its range first."""
        if self.training:
            now = x.detach().abs().amax()
            if self.partners is not None:
                now = self.partners.largest(now)
            self.largest.copy_(torch.where(self.largest > 0, self.largest.lerp(now, 1 - _RANGE_MEMORY), now))
        return fixed_point(x, self.step, self._bits)


class SIShortcut(nn.Module):
    """Map (N, I, H, W) to (N, C, H/stride, W/stride), with the arithmetic of `fracdse.parameters.SIParameters`."""

    def __init__(self, spec: GatedConvSpec, si: SIBranchSpec) -> None:
        super().__init__()
        self.bits, self.stride = si.bits, spec.stride
        per_channel = 1 if si.interaction == "depthwise" else si.width
        self.squeeze = nn.Parameter(torch.empty(si.width, spec.in_channels))
        self.squeeze_bias = nn.Parameter(torch.zeros(si.width))
        self.interaction = nn.Parameter(torch.empty(si.width, per_channel, 3, 3))
        self.expand = nn.Parameter(torch.empty(spec.out_channels, si.width))
        self.expand_bias = nn.Parameter(torch.zeros(spec.out_channels))
        nn.init.kaiming_uniform_(self.squeeze, nonlinearity="linear")
        nn.init.kaiming_uniform_(self.interaction, nonlinearity="linear")
        nn.init.normal_(self.expand, std=0.1 / si.width**0.5)
        self.input_range, self.squeeze_range, self.interaction_range = (Range(si.bits) for _ in range(3))

    def rounded(self, weight: Tensor) -> Tensor:
        """Return a weight on the fixed-point grid that just covers it."""
        return fixed_point(weight, covering_step(weight, self.bits), self.bits)

    def rounded_bias(self) -> Tensor:
        """Return the squeeze's bias as the integer program adds it: in steps of its sums, or of its output if finer."""
        sums = self.input_range.step * covering_step(self.squeeze, self.bits)
        return on_grid(self.squeeze_bias, torch.minimum(sums, self.squeeze_range.step))

    def forward(self, x: Tensor, onto: Tensor, quantised: bool) -> Tensor:
        """Return `onto` with the branch's output added; without `quantised`, in full precision (the float twin)."""
        if self._can_fuse(x, quantised):
            return self._fused(x, onto, quantised)
        weights: tuple[Tensor, ...] = (self.squeeze, self.interaction, self.expand)
        if quantised:
            weights = tuple(self.rounded(weight) for weight in weights)
            x = self.input_range(x)
        squeeze, interaction, expand = weights
        bias = self.rounded_bias() if quantised else self.squeeze_bias
        a = conv2d(x, squeeze[:, :, None, None], bias)
        a = self.squeeze_range(a) if quantised else a
        groups = interaction.shape[0] // interaction.shape[1]
        b = conv2d(a, interaction, stride=self.stride, padding=1, groups=groups)
        b = self.interaction_range(b) if quantised else b
        return onto + conv2d(b, expand[:, :, None, None], self.expand_bias)

    def _can_fuse(self, x: Tensor, quantised: bool) -> bool:
        follows_others = quantised and self.training and self.input_range.partners is not None
        narrow = not quantised or self.bits <= _MOST_FUSED_BITS
        return narrow and not follows_others and can_fuse(x, max(x.shape[1], len(self.expand)))

    def _fused(self, x: Tensor, onto: Tensor, quantised: bool) -> Tensor:
        ranges = self.input_range, self.squeeze_range, self.interaction_range
        settings = BranchSettings(
            bits=self.bits if quantised else None,
            stride=self.stride,
            identity=onto is x,
            ranges=(ranges[0].largest, ranges[1].largest, ranges[2].largest),
            speed=1 - _RANGE_MEMORY if self.training else 0.0,
        )
        given = quantised and not self.training
        steps = torch.stack([each.step for each in ranges]) if given else x.new_empty(3)
        parameters = (self.squeeze, self.squeeze_bias, self.interaction, self.expand, self.expand_bias)
        return fused_branch(settings, steps, x, onto, parameters)
