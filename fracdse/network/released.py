"""Read checkpoints of FracBNN's released CIFAR-10 training code (arXiv 2012.12206) into a network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from fracdse.design import Design
from fracdse.errors import DataError
from fracdse.network.network import FractionalNetwork, build_network
from fracdse.network.tensor_file import check_numbers, plain_tensor

_IGNORED = ("encoder.placeholder",)
_PARTS = {
    "weight": "{conv}.weight",
    "threshold": "{conv}.threshold",
    "norm_conv": "{bn_conv}",
    "norm_out": "{bn_out}",
    "rprelu.shift_in": "{rprelu}.shift_x.bias",
    "rprelu.slope": "{rprelu}.prelu.weight",
    "rprelu.shift_out": "{rprelu}.shift_y.bias",
}
_NORM_KEYS = ("weight", "bias", "running_mean", "running_var")


def released_design() -> Design:
    """Return the design of the released CIFAR-10 network, which is the default one."""
    return Design()


def released_network(state: Mapping[str, object]) -> FractionalNetwork:
    """Build the released CIFAR-10 network from its state dict.

    Raises:
        DataError: A key is missing, unknown or of another shape, or holds something else than finite numbers.
    """
    network = build_network(released_design())
    wanted = _key_map(network)
    given = {_plain(key): value for key, value in state.items() if _plain(key) not in _IGNORED}
    _check_keys(given, wanted)
    own = network.state_dict()
    for source, target in wanted.items():
        what = f"checkpoint: '{source}'"
        value = plain_tensor(given[source], own[target], what)
        # The released code keeps values a channel as (1, C, 1, 1) here and there.
        if _true_axes(value) != _true_axes(own[target]):
            raise DataError(f"{what} is {tuple(value.shape)}; expected {tuple(own[target].shape)}, axes of 1 aside")
        own[target] = value.to(own[target].dtype).reshape(own[target].shape)
        check_numbers(target, own[target], what)
    network.load_state_dict(own)
    network.released_arithmetic = True
    return network.eval()


def _true_axes(value: Tensor) -> list[int]:
    return [size for size in value.shape if size != 1]


def _plain(key: str) -> str:
    return key.removeprefix("module.")


def _key_map(network: FractionalNetwork) -> dict[str, str]:
    """Return released key → our key."""
    keys = {"conv1.weight": "stem.weight", "linear.weight": "classifier.weight", "linear.bias": "classifier.bias"}
    keys |= {f"bn1.{part}": f"stem.norm.{part}" for part in _NORM_KEYS}
    for index, layer in enumerate(network.gated_layers()):
        match = re.fullmatch(r"stage(\d+)\.block(\d+)\.conv(\d+)", layer.spec.name)
        assert match is not None
        stage, block, conv = match.groups()
        names = {
            "conv": f"conv{conv}",
            "bn_conv": f"bn{conv}",
            "bn_out": f"bn{int(conv) + 2}",
            "rprelu": f"rprelu{conv}",
        }
        for ours, pattern in _PARTS.items():
            theirs = f"layer{stage}.{block}.{pattern.format(**names)}"
            parts = [f".{part}" for part in _NORM_KEYS] if ours.startswith("norm") else [""]
            keys |= {theirs + part: f"layers.{index}.{ours}{part}" for part in parts}
    return keys


def _check_keys(given: Mapping[str, object], wanted: Mapping[str, str]) -> None:
    counters = {key for key in given if key.endswith("num_batches_tracked")}
    missing = sorted(set(wanted) - set(given))
    unknown = sorted(set(given) - set(wanted) - counters)
    if missing or unknown:
        what = [f"{len(missing)} keys are missing, such as '{missing[0]}'"] if missing else []
        what += [f"{len(unknown)} keys are unknown, such as '{unknown[0]}'"] if unknown else []
        raise DataError(
            f"checkpoint is not of FracBNN's CIFAR-10 network: {'; '.join(what)}",
            hint="Give a state dict that the released training code saved.",
        )
