import pytest

from fracdse.hardware.calibration.engine_builds import RELEASED_ENGINES, EngineBuild
from fracdse.hardware.engine import engine_parameters, engine_resources, popcount_luts
from fracdse.hardware.engine_cycles import engine_cycles
from fracdse.hardware.estimate import estimate


@pytest.mark.parametrize("build", RELEASED_ENGINES, ids=["cifar10", "imagenet"])
def test_the_released_accelerators_come_out_without_a_fit(build: EngineBuild) -> None:
    parameters = engine_parameters(build.design)
    counted = engine_resources(build.design, parameters)
    assert engine_cycles(build.design, parameters) == pytest.approx(build.figures["cycles_per_frame"], rel=0.05)
    assert counted.lut == pytest.approx(build.figures["lut"], rel=0.15)
    assert counted.bram18 == pytest.approx(build.figures["bram18"], rel=0.15)
    assert counted.dsp == pytest.approx(build.figures["dsp"], rel=0.10)


def test_an_engine_is_estimated_with_intervals() -> None:
    figures = estimate(RELEASED_ENGINES[0].design)
    assert figures.lut.low < figures.lut.value < figures.lut.high
    assert figures.fps.low < 2806.9 < figures.fps.high


def test_popcount_of_64_products() -> None:
    assert popcount_luts(64) == 32 + 32 + 32 + 20 + 12 + 7
