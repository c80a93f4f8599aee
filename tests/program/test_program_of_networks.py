"""Networks as torch runs them against their integer programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from program_cases import random_images, small_design

from fracdse.network import build_network, export_parameters
from fracdse.program import Executor, lower
from fracdse.program.fixed_point import is_shift
from fracdse.program.float_reference import evaluate
from fracdse.program.validation import check_program

OPTIONS = [
    {},
    {"si_width": 2},
    {"si_width": 2, "si_interaction": "full", "shortcut_bits": 4},
    {"elastic_link": True},
    {"clip_bits": 6},
    {"codebook_bits": 4},
    {"batch_norm": False},
    {"power_of_two": True},
    {"power_of_two": True, "batch_norm": False},
    {"power_of_two": True, "shortcut_bits": 2, "si_width": 2},
]


def trained_a_little(design, images):
    """A network whose statistics have seen images and whose parameters are not where they started."""
    torch.manual_seed(3)
    network = build_network(design)
    network.train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for _ in range(5):
            network(torch.from_numpy(images).permute(0, 3, 1, 2))
    return network.eval()


@pytest.mark.parametrize("network_options", OPTIONS, ids=str)
def test_networks_and_their_programs_agree(network_options):
    design = small_design(colours=3, width=4, feature_bits=22, constant_bits=22, **network_options)
    images = random_images(design, 48)
    network = trained_a_little(design, images)
    with torch.no_grad():
        want = network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    parameters = export_parameters(network)
    reference = evaluate(parameters, images)
    assert np.median(np.abs(reference - want)) < 1e-4 * want.std()
    program = lower(parameters, images[:32])
    check_program(program)
    got = Executor(program).run(images).logits * program.classifier.logit_scale
    # A link is rounded to units of y, and a branch quantises its input on a grid of its own: small differences, which
    # the quantisers and gates of untrained networks then amplify from layer to layer.
    noisy = design.network.elastic_link or design.network.si_width
    assert np.median(np.abs(got - want)) < (0.4 if noisy else 0.06) * want.std()
    assert (got.argmax(1) == want.argmax(1)).mean() >= (0.6 if noisy else 0.85)
    if design.network.power_of_two:
        assert all(is_shift(conv.multiplier) for conv in program.convs)
