import json
from pathlib import Path

import numpy as np
import pytest

from fracdse.errors import ConfigError, DataError
from fracdse.hardware.calibration.conformal import conformal_half_width
from fracdse.hardware.calibration.fit import fit
from fracdse.hardware.calibration.points import Point, read_points, write_points
from fracdse.hardware.calibration.refit import refit
from fracdse.hardware.coefficients import coefficient_files, coefficients_for, hand_counted, read_coefficients
from fracdse.hardware.registry import unit_terms

ACTIVATION = {"channels": 16, "lanes": 4, "feature_bits": 16, "power_of_two": False, "batch_norm": True}


def synthetic_points(networks: int, noise: float, seed: int = 1) -> list[Point]:
    """Make activation units whose LUTs and flip-flops follow known coefficients, with noise."""
    generator = np.random.default_rng(seed)
    points = []
    for network in range(networks):
        for lanes in (1, 2, 4, 8):
            parameters = ACTIVATION | {"channels": 8 * int(generator.integers(1, 5)), "lanes": lanes}
            terms = unit_terms("activation", parameters)
            lut = 2.0 * terms.lut["multiplied_compare_bits"] + 0.5 * terms.lut["multiplied_thresholds_over_1"] + 20
            ff = 1.0 * terms.ff["held"] + 1.5 * terms.ff["word_bits"] + 10
            factor = 1 + noise * generator.standard_normal(2)
            points.append(
                Point(f"n{network}", "layer", "activation", parameters, round(lut * factor[0]), 0,
                      round(ff * factor[1]), 0, 0, 0, 3, seed, "0" * 16, "yosys", "1.0", "xcup")
            )  # fmt: skip
    return points


def test_points_come_back_from_their_file(tmp_path: Path) -> None:
    points = synthetic_points(3, 0.1)
    write_points(tmp_path / "points.csv", points)
    assert read_points([tmp_path / "points.csv"]) == points


def test_a_damaged_file_of_points_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    write_points(path, synthetic_points(1, 0.0))
    path.write_text(path.read_text().replace(",3,1,0", ",three,1,0", 1))
    with pytest.raises(DataError, match=r"line 2: levels = 'three'"):
        read_points([path])
    path.write_text("network,lut\n")
    with pytest.raises(DataError, match="columns"):
        read_points([path])


def test_points_of_a_network_share_a_fold() -> None:
    folds = {(point.network, point.fold) for point in synthetic_points(20, 0.0)}
    assert len(folds) == 20


def test_the_fit_finds_the_coefficients_and_their_errors() -> None:
    generator = np.random.default_rng(3)
    terms = generator.uniform(10, 100, (400, 3))
    actual = terms @ np.array([2.0, 0.0, 0.7]) * (1 + 0.02 * generator.standard_normal(400))
    found = fit(terms, actual)
    assert found.coefficients == pytest.approx((2.0, 0.0, 0.7), abs=0.05)
    error = found.standard_errors[0]
    assert error is not None
    assert 0 < error < 0.02


def test_outliers_do_not_bend_the_fit() -> None:
    terms = np.arange(1.0, 101.0)[:, None] * 10
    actual = 3 * terms[:, 0]
    actual[::20] *= 4
    assert fit(terms, actual).coefficients[0] == pytest.approx(3.0, abs=0.05)


def test_conformal_intervals_cover_what_they_promise() -> None:
    generator = np.random.default_rng(5)
    covered = []
    for _ in range(300):
        errors = np.abs(generator.standard_normal(60))
        covered.append(abs(generator.standard_normal()) <= conformal_half_width(list(errors)))
    assert 0.85 <= np.mean(covered) <= 0.95


def test_the_interval_of_few_points_is_their_largest_error() -> None:
    assert conformal_half_width([0.1, 0.3, 0.2]) == 0.3


def test_a_refit_keeps_formulas_that_have_no_points() -> None:
    base = coefficients_for("xcup")
    fitted = refit(synthetic_points(60, 0.03), base, "test")
    assert fitted.lut["gated_conv"] == base.lut["gated_conv"]
    assert fitted.lut["activation"].points > 0
    assert 0.01 < fitted.lut["activation"].half_width < 0.15
    assert fitted.predict(unit_terms("activation", ACTIVATION), "lut") > 0


def test_a_few_points_only_scale_the_hand_counted_formula() -> None:
    base = hand_counted("xcup")
    fitted = refit(synthetic_points(6, 0.0), base, "test").lut["activation"].coefficients
    ratios = {name: fitted[name].value / base.lut["activation"].coefficients[name].value for name in fitted}
    assert max(ratios.values()) == pytest.approx(min(ratios.values()))


def test_a_fit_of_two_versions_is_refused() -> None:
    points = synthetic_points(2, 0.0)
    other = [Point(**{**vars(point), "version": "2.0"}) for point in points]
    with pytest.raises(DataError, match="one tool, version"):
        refit(points + other, coefficients_for("xcup"), "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tool": ""}, "tool"),
        ({"network_half_width": {"lut": "wide", "ff": 0.1}}, "network_half_width.lut"),
        ({"network_half_width": {"ff": 0.1}}, "network_half_width = .*'lut' is missing"),
        ({"network_half_width": {"lut": -5, "ff": 0.1}}, "network_half_width.lut"),
        ({"network_half_width": {"lut": 50, "ff": 0.1}}, "network_half_width.lut"),
        ({"lut": {"stem": {"coefficients": {"one": {"value": -3}}, "half_width": 0.1, "points": 3}}}, "lut.stem"),
        (
            {"lut": {"stem": {"coefficients": {"one": {"value": 0}}, "half_width": 0.1, "points": 3}}},
            "must be positive",
        ),
        ({"part": "xczu3eg"}, "its name says another one"),
    ],
)
def test_a_coefficient_file_edited_into_nonsense_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    content = json.loads(coefficient_files()[0].read_text()) | change
    path = tmp_path / "bad-xcup.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        read_coefficients(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match="not a JSON file"):
        read_coefficients(path)


def test_a_formula_without_a_coefficient_says_which() -> None:
    base = coefficients_for("xcup")
    empty = base.model_copy(update={"lut": {}})
    with pytest.raises(ConfigError, match="unit 'activation'"):
        empty.predict(unit_terms("activation", ACTIVATION), "lut")
