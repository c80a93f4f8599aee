"""A training step is recorded on a GPU and replayed: what it must not do shows on a CPU, what it does only there."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from training_cases import blobs, short, small_design

from fracdse.network import build_network
from fracdse.training.phases import phases_of
from fracdse.training.run import TrainingRun

DISTILLED = {"block_loss": "attention", "logit_weight": 1.0}
CASES = [
    pytest.param({}, {}, 8, id="plain"),
    pytest.param({"si_width": 2}, DISTILLED, 16, id="SI and distillation"),
    pytest.param({"batch_norm": False, "elastic_link": True}, {"block_loss": "l2"}, 16, id="BN-free"),
    pytest.param({"codebook_bits": 4, "clip_bits": 6}, {"augmentation": "resized crop"}, 32, id="resized crop"),
]


class Notes(TorchDispatchMode):
    """Note the operations that read a value back, or that copy a constant from Python to the device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._schema.name in ("aten::_local_scalar_dense", "aten::lift_fresh"):
            self.found.append(function._schema.name)
        return function(*args, **(kwargs or {}))


def run(choices, settings, size, device="cpu"):
    dataset = blobs(count=160, size=size, colours=3)
    design, recipe = small_design(dataset, **choices), short(**settings)
    teacher = build_network(design, binary=False).to(device) if recipe.needs_teacher else None
    return TrainingRun(design, dataset, recipe, phases_of(recipe), 0, "run", teacher, torch.device(device))


@pytest.mark.parametrize(("choices", "settings", "size"), CASES)
def test_a_step_reads_nothing_back_and_copies_no_constants(choices, settings, size):
    training = run(choices, settings, size)
    training.network.train()
    draws = list(training._batches.epoch(0))
    training._step(draws[0], stage=None)  # the optimiser makes its state
    with Notes() as notes:
        training._step(draws[1], stage=None)
    assert not notes.found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("choices", "settings", "size"), CASES)
def test_a_recorded_run_learns_what_one_on_a_cpu_learns(choices, settings, size):
    recorded, plain = (run(choices, settings, size, device) for device in ("cuda", "cpu"))
    for _ in range(3):  # of five batches: three steps as usual, then replays; after one epoch the weights are binary
        ours, theirs = recorded.train_epoch(None), plain.train_epoch(None)
        assert ours.loss == pytest.approx(theirs.loss, rel=0.1)
