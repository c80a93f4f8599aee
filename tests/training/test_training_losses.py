import pytest
import torch
from training_cases import small_design

from fracdse.network import build_network
from fracdse.training.losses import block_distance, block_loss, logit_loss, stages, threshold_loss


def test_threshold_loss_follows_its_formula():
    network = build_network(small_design(gate_threshold=2.0))
    with torch.no_grad():
        expected = sum(0.5 * 1e-3 * float((layer.threshold - 2.0).square().sum()) for layer in network.gated_layers())
        assert float(threshold_loss(network, 1e-3)) == pytest.approx(expected)


def test_l2_compares_directions():
    x = torch.randn(4, 3, 5, 5)
    assert float(block_distance("l2", x, 7 * x)) == pytest.approx(0, abs=1e-6)
    assert float(block_distance("l2", x, -x)) == pytest.approx(4, abs=1e-5)


def test_attention_compares_where_power_is():
    x = torch.zeros(1, 2, 2, 2)
    x[0, :, 0, 0], x[0, :, 1, 1] = 2.0, 1.0
    y = torch.zeros(1, 2, 2, 2)
    y[0, :, 0, 0] = 5.0
    assert float(block_distance("attention", x, -3 * x)) == pytest.approx(0, abs=1e-7)
    assert float(block_distance("attention", x, y)) == pytest.approx(0.25**2 / 4)


def test_block_loss_is_the_mean_over_blocks():
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    distance = block_distance("l2", a, b)
    assert float(block_loss("l2", [a, a], [b, a])) == pytest.approx(float(distance) / 2, rel=1e-5)


def test_logit_loss_is_zero_for_the_teachers_own_distribution():
    logits = torch.randn(6, 4)
    assert float(logit_loss(logits, logits + 3, 4.0)) == pytest.approx(0, abs=1e-5)
    p, q = torch.softmax(logits / 2, 1), torch.softmax(torch.zeros_like(logits), 1)
    expected = 4 * float((q * (q.log() - p.log())).sum(1).mean())
    assert float(logit_loss(logits, torch.zeros_like(logits), 2.0)) == pytest.approx(expected, rel=1e-4)


def test_stages_follow_the_shapes():
    shapes = [(1, 4, 8, 8), (1, 4, 8, 8), (1, 8, 4, 4), (1, 8, 4, 4), (1, 16, 2, 2)]
    assert stages(shapes) == [0, 0, 1, 1, 2]
