import numpy as np
import pytest
from stream_bench import exchange

from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.si_branch import SIBranch
from fracdse.program.model import SIProgram
from fracdse.topology import GatedConvSpec


def branch(rng, channels, out, width, *, full, bits=6):
    half = 1 << (bits - 1)
    return SIProgram(
        bits=bits,
        input_multiplier=rng.integers(-200, 200, channels),
        input_offset=rng.integers(-2000, 2000, channels),
        input_shift=int(rng.integers(8, 12)),
        squeeze=rng.integers(-500, 500, (width, channels)),
        squeeze_offset=rng.integers(-2000, 2000, width),
        squeeze_shift=8,
        interaction=rng.integers(-half, half, (width, width if full else 1, 3, 3)),
        interaction_shift=4,
        expand=rng.integers(-900, 900, (out, width)),
        expand_offset=rng.integers(-900, 900, out),
        expand_shift=5,
    )


def expected_si(program, u, stride):
    """u: (frames, channels, rows, columns)."""
    low, high = -(1 << (program.bits - 1)), (1 << (program.bits - 1)) - 1
    scaled = program.input_multiplier[:, None, None] * u + program.input_offset[:, None, None]
    z = np.clip(scaled >> program.input_shift, low, high)
    a = np.einsum("sc,nchw->nshw", program.squeeze, z) + program.squeeze_offset[:, None, None]
    a = np.clip(a >> program.squeeze_shift, low, high)
    weight = program.interaction
    if weight.shape[1] == 1 < weight.shape[0]:
        weight = np.einsum("st,sij->stij", np.eye(len(weight), dtype=int), weight[:, 0])
    padded = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = u.shape[2:]
    b = sum(
        np.einsum("st,nthw->nshw", weight[:, :, i, j], padded[:, :, i : i + rows, j : j + columns])
        for i in range(3)
        for j in range(3)
    )[:, :, ::stride, ::stride]
    b = np.clip((b + ((1 << program.interaction_shift) >> 1)) >> program.interaction_shift, low, high)
    si = np.einsum("cs,nshw->nchw", program.expand, b) + program.expand_offset[:, None, None]
    return si >> program.expand_shift


def beats(values, schedule):
    pixels = values.transpose(0, 2, 3, 1).reshape(-1, values.shape[1])
    return pixels[:, list(schedule.order)].reshape(-1, schedule.lanes).tolist()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("channels", "out", "width", "stride", "lanes_in", "lanes_out"),
    [(4, 4, 2, 1, 2, 2), (4, 8, 3, 2, 4, 1), (4, 4, 1, 1, 1, 4), (4, 16, 2, 1, 2, 1)],
)
def test_si_branch_matches_the_contract(full, channels, out, width, stride, lanes_in, lanes_out):
    rng = np.random.default_rng(channels * width + lanes_out)
    spec = GatedConvSpec("l", channels, out, 4, 6, 3, stride, 0, None, False, False, True, 0, 0)
    program = branch(rng, channels, out, width, full=full)
    producer, consumer = (
        Schedule(lanes, tuple(int(c) for c in rng.permutation(count)))
        for lanes, count in ((lanes_in, channels), (lanes_out, out))
    )
    u = rng.integers(-512, 512, (2, channels, 4, 6))
    u[0, :, :2] = -512
    want = beats(expected_si(program, u, stride), consumer)
    for gaps, stalls in ((0.0, 0.0), (0.3, 0.5)):
        unit = SIBranch(spec, program, producer, consumer, feature_bits=10)
        got, _ = exchange(unit, {"u": beats(u, producer)}, {"si": len(want)}, gaps=gaps, stalls=stalls)
        assert got["si"] == want
