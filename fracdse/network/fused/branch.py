"""An SI branch in training as one function with its own gradient, on a GPU.

With every signal rounded to the grid of its range (`quantisers.fixed_point`), or not at all in a float network:

    a = squeeze·x + squeeze_bias        b = conv3×3(a, interaction)        y = onto + expand·b + expand_bias

Each is one pass, and so is the gradient of each. What a range needs to know of a signal is left by the pass that makes
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fracdse.network.fused.convolutions import block, low_type

_FLAT_BLOCK = 2048
_WEIGHT_BLOCK = 1024
_TILE_ELEMENTS = 4096
_MOST_SPLITS = 128  # of the pixels in a weight's gradient

_Weights = tuple[Tensor, Tensor, Tensor]  # squeeze, interaction, expand


@dataclass(frozen=True)
class BranchSettings:
    """What a branch computes, beside its tensors.

    bits: Of every signal and weight; None rounds nothing.
    identity: `onto` is x itself.
    ranges: The largest magnitudes (scalars) of x, a and b that are followed in training.
    speed: The share by which a batch moves them; 0 leaves them.
    """

    bits: int | None
    stride: int
    identity: bool
    ranges: tuple[Tensor, Tensor, Tensor]
    speed: float


class _Branch:
    """The kernels of a branch for one shape of maps; weights are as the settings round them."""

    def __init__(self, settings: BranchSettings, x: Tensor, weights: _Weights) -> None:
        from fracdse.network.fused import branch_kernels

        self._kernels, self._settings = branch_kernels, settings
        squeeze, interaction, expand = weights
        images, self._ins, height, width = x.shape
        self._lanes, self._outs = len(squeeze), len(expand)
        out_height, out_width = (-(-size // settings.stride) for size in (height, width))
        self._in_pixels, self._out_pixels = images * height * width, images * out_height * out_width
        self._map_shapes = {"a": (images, height, width), "b": (images, out_height, out_width)}
        bits = settings.bits or 8
        self._grid = {"LOWEST": -(2 ** (bits - 1)), "HIGHEST": 2 ** (bits - 1) - 1}
        self._grid["QUANTISED"] = settings.bits is not None
        depthwise = interaction.shape[1] == 1
        lane_block = 1 << (self._lanes - 1).bit_length()
        lane_block = lane_block if depthwise else max(lane_block, 16)
        out, per, _, tap = interaction.stride()
        self._interaction = {
            **self._grid,
            "DEPTHWISE": depthwise,
            "STRIDE": settings.stride,
            "HEIGHT": height,
            "WIDTH": width,
            "OUT_HEIGHT": out_height,
            "OUT_WIDTH": out_width,
            "LANES": self._lanes,
            "BLOCK": lane_block,
            "ROWS": max(16, _TILE_ELEMENTS // max(lane_block, 16)),
            "LOW": low_type(),
            "num_stages": 1,
            "W_OUT": out,
            "W_IN": per,
            "W_TAP": tap,
        }
        self._sizes = [squeeze.numel(), self._lanes, interaction.numel(), expand.numel(), self._outs]
        self._device = x.device

    def rounded(self, weights: _Weights) -> tuple[_Weights, Tensor]:
        """Return the weights as they are multiplied, and their steps (3,)."""
        steps = self._vector(3)
        if self._settings.bits is None:
            return weights, steps
        squeeze, interaction, expand = weights
        own = torch.empty_like(squeeze), torch.empty_like(interaction), torch.empty_like(expand)
        counts = {"SQUEEZE": squeeze.numel(), "INTERACTION": interaction.numel(), "EXPAND": expand.numel()}
        flags = {"HIGHEST": self._grid["HIGHEST"], "BLOCK": _WEIGHT_BLOCK}
        self._kernels.round_weights[(3,)](*weights, *own, steps, **counts, **flags)
        return own, steps

    def followed(self, index: int, partial: Tensor, steps: Tensor) -> Tensor:
        """Return the step of a signal, after its range has followed it in training."""
        step = steps[index]
        if self._settings.bits is not None and self._settings.speed:
            largest, flags = self._settings.ranges[index], {"HIGHEST": self._grid["HIGHEST"]}
            self._kernels.follow_range[(1,)](partial, len(partial), largest, step, self._settings.speed, **flags)
        return step

    def largest_magnitudes(self, x: Tensor) -> Tensor:
        """Return those of x, one a program; nothing where no range is followed."""
        if self._settings.bits is None or not self._settings.speed:
            return self._vector(0)
        programs = -(-x.numel() // _FLAT_BLOCK)
        partial = self._vector(programs)
        self._kernels.largest_magnitude[(programs,)](x, partial, x.numel(), BLOCK=_FLAT_BLOCK)
        return partial

    def squeeze(
        self, x: Tensor, step: Tensor, weight: Tensor, weight_step: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return a and its largest magnitudes, one a program."""
        size = self._mix_size(self._ins, self._lanes)
        programs = -(-self._in_pixels // size["ROWS"])
        a, partial = self._map("a"), self._vector(programs)
        following = self._settings.ranges[1]
        arguments = (x, step, weight, weight_step, bias, following, x, a, partial, self._in_pixels)
        rounds = self._grid["QUANTISED"]
        self._kernels.mix[(programs, 1)](*arguments, ROUNDED_BIAS=rounds, ONTO=False, **self._grid, **size)
        return a, partial

    def interact(self, a: Tensor, step: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return b and its largest magnitudes, one a program."""
        programs = -(-self._out_pixels // self._interaction["ROWS"])
        b, partial = self._map("b"), self._vector(programs)
        self._kernels.interact[(programs,)](a, step, weight, b, partial, self._out_pixels, **self._interaction)
        return b, partial

    def expand(self, b: Tensor, step: Tensor, weight: Tensor, bias: Tensor, onto: Tensor) -> Tensor:
        """Return y."""
        size = self._mix_size(self._lanes, self._outs)
        grid = (-(-self._out_pixels // size["ROWS"]), -(-self._outs // size["OUT_BLOCK"]))
        y = torch.empty_like(onto)
        arguments = (b, step, weight, step, bias, step, onto, y, y, self._out_pixels)
        self._kernels.mix[grid](*arguments, ROUNDED_BIAS=False, ONTO=True, **self._grid, **size)
        return y

    def backward(
        self, gradient: Tensor, maps: tuple[Tensor, Tensor, Tensor], steps: Tensor, weights: _Weights
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the gradients of x and, flat, of squeeze, its bias, interaction, expand and its bias.

        `maps` are x, a and b, `steps` theirs.
        """
        (x, a, b), (squeeze, interaction, expand) = maps, weights
        d_x, d_a, d_b = (torch.empty_like(each) for each in maps)
        splits = min(_MOST_SPLITS, -(-self._out_pixels // self._interaction["ROWS"]))
        partial = torch.empty(splits, sum(self._sizes), device=self._device)
        places = [sum(self._sizes[:index]) for index in range(5)]
        self._mix_backward(gradient, expand, b, steps[2], d_b, onto=None)
        self._mix_weight_gradient(gradient, b, steps[2], partial, places[3:], self._lanes, self._outs)
        grid, size = (-(-self._in_pixels // self._interaction["ROWS"]),), self._interaction
        self._kernels.interact_backward[grid](d_b, interaction, a, steps[1], d_a, self._in_pixels, **size)
        arguments = (d_b, a, steps[1], partial, places[2], partial.shape[1], self._out_pixels, splits)
        self._kernels.interaction_weight_gradient[(splits, 9)](*arguments, **size)
        self._mix_backward(d_a, squeeze, x, steps[0], d_x, onto=gradient if self._settings.identity else None)
        self._mix_weight_gradient(d_a, x, steps[0], partial, places[:2], self._ins, self._lanes)
        return d_x, torch.split(partial.sum(0), self._sizes)

    def _mix_backward(
        self, gradient: Tensor, weight: Tensor, x: Tensor, step: Tensor, d_x: Tensor, onto: Tensor | None
    ) -> None:
        outs, ins = weight.shape
        size, pixels = self._mix_size(ins, outs), x.numel() // ins
        grid = (-(-pixels // size["ROWS"]), -(-ins // size["IN_BLOCK"]))
        arguments = (gradient, weight, x, step, gradient if onto is None else onto, d_x, pixels)
        self._kernels.mix_backward[grid](*arguments, ONTO=onto is not None, **self._grid, **size)

    def _mix_weight_gradient(
        self, gradient: Tensor, x: Tensor, step: Tensor, partial: Tensor, places: list[int], ins: int, outs: int
    ) -> None:
        size, pixels, splits = self._mix_size(ins, outs), x.numel() // ins, len(partial)
        grid = (splits, -(-ins // size["IN_BLOCK"]) * -(-outs // size["OUT_BLOCK"]))
        arguments = (gradient, x, step, partial, *places, partial.shape[1], pixels, splits)
        self._kernels.mix_weight_gradient[grid](*arguments, **self._grid, **size)

    def _mix_size(self, ins: int, outs: int) -> dict[str, Any]:
        in_block, out_block = block(ins), block(outs)
        size = {"INS": ins, "OUTS": outs, "IN_BLOCK": in_block, "OUT_BLOCK": out_block, "LOW": low_type()}
        return {**size, "ROWS": _TILE_ELEMENTS // max(in_block, out_block), "num_stages": 1}

    def _map(self, name: str) -> Tensor:
        images, height, width = self._map_shapes[name]
        shape = (images, self._lanes, height, width)
        return torch.empty(shape, device=self._device, memory_format=torch.channels_last)

    def _vector(self, count: int) -> Tensor:
        return torch.empty(count, device=self._device)


class _FusedBranch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        settings: BranchSettings,
        steps: Tensor,
        x: Tensor,
        onto: Tensor,
        squeeze: Tensor,
        squeeze_bias: Tensor,
        interaction: Tensor,
        expand: Tensor,
        expand_bias: Tensor,
    ) -> Tensor:
        x, onto = (each.contiguous(memory_format=torch.channels_last) for each in (x, onto))
        weights = squeeze, interaction, expand
        branch = _Branch(settings, x, weights)
        ctx.shape, ctx.stride = interaction.shape, interaction.stride()
        (squeeze, interaction, expand), weight_steps = branch.rounded(weights)
        step = branch.followed(0, branch.largest_magnitudes(x), steps)
        a, partial = branch.squeeze(x, step, squeeze, weight_steps, squeeze_bias)
        b, partial = branch.interact(a, branch.followed(1, partial, steps), interaction)
        y = branch.expand(b, branch.followed(2, partial, steps), expand, expand_bias, onto)
        ctx.branch, ctx.identity = branch, settings.identity
        ctx.save_for_backward(x, a, b, steps, squeeze, interaction, expand)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, a, b, steps, *weights = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        d_x, flat = ctx.branch.backward(gradient, (x, a, b), steps, weights)
        d_interaction = flat[2].as_strided(ctx.shape, ctx.stride, flat[2].storage_offset())
        d_squeeze, d_expand = flat[0].view_as(weights[0]), flat[3].view_as(weights[2])
        d_onto = None if ctx.identity else gradient
        return None, None, d_x, d_onto, d_squeeze, flat[1], d_interaction, d_expand, flat[4]


def fused_branch(
    settings: BranchSettings, steps: Tensor, x: Tensor, onto: Tensor, parameters: tuple[Tensor, ...]
) -> Tensor:
    """Return y for x (N, I, H, W) and onto (N, C, H/stride, W/stride).

    Args:
        settings: See there.
        steps: Those of x, a and b (3,), which are written in training where ranges are followed.
        x: The residual.
        onto: What the branch is added to.
        parameters: squeeze (S, I), squeeze_bias (S,), interaction (S, 1 or S, 3, 3), expand (C, S), expand_bias (C,).
    """
    given = onto.detach() if settings.identity else onto
    y: Tensor = _FusedBranch.apply(settings, steps, x, given, *parameters)  # type: ignore[no-untyped-call]
    return y
