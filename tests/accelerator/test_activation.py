import numpy as np
import pytest
from stream_bench import exchange

from fracdse.accelerator.activation import Activation
from fracdse.accelerator.schedule import Schedule


def codes_of(u, thresholds, descending):
    code = (u[:, :, None] >= thresholds[None]).sum(-1)
    return np.where(descending[None], 3 - code, code)


@pytest.mark.parametrize(("channels", "lanes"), [(4, 1), (8, 2), (6, 3), (4, 4)])
@pytest.mark.parametrize("stalls", [0.0, 0.5])
def test_codes_and_residual_match_the_contract(channels, lanes, stalls):
    rng = np.random.default_rng(channels + lanes)
    thresholds = np.sort(rng.integers(-128, 128, (channels, 3)), axis=1)
    thresholds[0] = [-128, -128, 127]
    descending = rng.integers(0, 2, channels).astype(bool)
    schedule = Schedule(lanes, tuple(int(c) for c in rng.permutation(channels)))
    u = rng.integers(-128, 128, (30, channels))
    u[0], u[1] = -128, 127
    unit = Activation(thresholds, descending, schedule, feature_bits=8)
    beats = u[:, list(schedule.order)].reshape(-1, lanes).tolist()
    got, cycles = exchange(
        unit, {"u": beats}, {"codes": len(u), "residual": len(beats)}, gaps=stalls, stalls=stalls, seed=lanes
    )
    assert got["codes"] == codes_of(u, thresholds, descending).tolist()
    assert got["residual"] == beats
    if stalls == 0.0:
        assert cycles <= len(beats) + 6
