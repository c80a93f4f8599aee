import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out
from stream_bench import exchange

from fracdse.accelerator.classifier import Classifier
from fracdse.accelerator.global_pool import GlobalPool
from fracdse.accelerator.schedule import Schedule
from fracdse.program.model import ClassifierProgram


@pytest.mark.parametrize(
    ("channels", "lanes", "pixels", "shift"), [(4, 2, 4, 2), (6, 2, 9, 0), (4, 4, 1, 3), (8, 1, 16, 1)]
)
def test_pool_matches_the_contract(channels, lanes, pixels, shift):
    rng = np.random.default_rng(pixels)
    schedule = Schedule(lanes, tuple(int(c) for c in rng.permutation(channels)))
    u = rng.integers(-128, 128, (4, pixels, channels))
    u[0], u[1] = -128, 127
    unit = GlobalPool(schedule, feature_bits=8, pixels=pixels, shift=shift)
    pooled = (u.sum(1) + ((1 << shift) >> 1)) >> shift
    order = list(schedule.order)
    got, _ = exchange(
        unit,
        {"u": u[:, :, order].reshape(-1, lanes).tolist()},
        {"pooled": 4 * schedule.steps},
        seed=channels,
    )
    assert got["pooled"] == pooled[:, order].reshape(-1, lanes).tolist()


@pytest.mark.parametrize(
    ("features", "feature_lanes", "classes", "lanes"), [(6, 2, 4, 1), (8, 4, 6, 3), (4, 1, 10, 10), (3, 3, 2, 1)]
)
@pytest.mark.parametrize(("memory", "use_dsp"), [("logic", True), ("bram", True), ("bram", False)])
def test_classifier_matches_the_contract(features, feature_lanes, classes, lanes, memory, use_dsp):
    rng = np.random.default_rng(classes)
    program = ClassifierProgram(
        0, rng.integers(-2048, 2048, (classes, features)), rng.integers(-(1 << 20), 1 << 20, classes), 1.0
    )
    schedule = Schedule(feature_lanes, tuple(int(c) for c in rng.permutation(features)))
    p = rng.integers(-512, 512, (5, features))
    p[0], p[1] = -512, 511
    unit = Classifier(program, schedule, lanes=lanes, weight_memory=memory, pooled_bits=10, use_dsp=use_dsp)
    beats = p[:, list(schedule.order)].reshape(-1, feature_lanes).tolist()
    want = (p @ program.weight.T + program.bias).reshape(-1).tolist()
    for gaps, stalls in ((0.0, 0.0), (0.5, 0.6)):
        got, _ = exchange(unit, {"pooled": beats}, {"logits": len(want)}, gaps=gaps, stalls=stalls)
        assert got["logits"] == want


class LastBesideLogits(wiring.Component):
    """Put `last` into the payload, to see both together."""

    def __init__(self, classifier):
        self._classifier = classifier
        super().__init__({"pooled": classifier.signature.members["pooled"], "out": Out(stream.Signature(1))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self._classifier
        wiring.connect(m, wiring.flipped(self.pooled), inner.pooled)
        m.d.comb += [
            self.out.payload.eq(inner.last),
            self.out.valid.eq(inner.logits.valid),
            inner.logits.ready.eq(self.out.ready),
        ]
        return m


def test_last_marks_the_last_class():
    program = ClassifierProgram(0, np.ones((4, 2), np.int64), np.zeros(4, np.int64), 1.0)
    unit = Classifier(program, Schedule(1, (0, 1)), lanes=2, weight_memory="logic", pooled_bits=8)
    got, _ = exchange(LastBesideLogits(unit), {"pooled": [[1]] * 6}, {"out": 12})
    assert got["out"] == [0, 0, 0, 1] * 3
