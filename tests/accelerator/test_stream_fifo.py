import pytest
from stream_bench import exchange

from fracdse.accelerator.stream_fifo import StreamFifo


@pytest.mark.parametrize("depth", [1, 3, 16])
@pytest.mark.parametrize(("gaps", "stalls"), [(0.0, 0.0), (0.0, 0.8), (0.8, 0.0)])
def test_fifo_keeps_order_and_rate(depth, gaps, stalls):
    beats = list(range(100, 180))
    got, cycles = exchange(StreamFifo(8, depth), {"source": beats}, {"sink": 80}, gaps=gaps, stalls=stalls)
    assert got["sink"] == beats
    if gaps == stalls == 0.0:
        assert cycles <= 84
