import numpy as np
import pytest
import torch
from training_cases import blobs, small_design

from fracdse.network import build_network
from fracdse.topology import gated_convs
from fracdse.training import evaluate
from fracdse.training.gate_statistics import GateCounter, divisors, open_share


def test_lane_counts_equal_a_plain_count():
    gates = torch.rand(3, 12, 4, 5) < 0.4
    counter = GateCounter()
    counter.observe("layer", gates[:2])
    counter.observe("layer", gates[2:])
    (layer,) = counter.statistics().layers
    assert counter.statistics().images == 3
    assert layer.open_fraction == pytest.approx(gates.float().mean().item())
    assert sorted(layer.largest_lane_count) == divisors(12) == [1, 2, 3, 4, 6, 12]
    for lanes, mean in layer.largest_lane_count.items():
        counts = [gates[:, lane::lanes].sum(1) for lane in range(lanes)]
        assert mean == pytest.approx(torch.stack(counts).amax(0).double().mean().item())
    last = gates[:, -8:].double().mean((0, 2, 3)).tolist()
    assert layer.last_open == pytest.approx(last)
    assert layer.shut_fraction == pytest.approx((~gates.any(1)).double().mean().item())


def test_evaluation_reports_gates_logits_and_predictions():
    dataset = blobs()
    design = small_design(dataset)
    network = build_network(design)
    result = evaluate(network, dataset, limit=20, batch=7)
    assert network.training
    assert result.logits.shape == (20, 3)
    assert result.logits.dtype == np.float32
    assert result.accuracy == pytest.approx((result.logits.argmax(1) == dataset.labels[:20]).mean())
    assert [layer.name for layer in result.gates.layers] == [spec.name for spec in gated_convs(design)]
    assert result.gates.images == 20
    assert 0 <= open_share(result.gates, design) <= 1
    assert evaluate(network, dataset, gate_images=0).gates is None
