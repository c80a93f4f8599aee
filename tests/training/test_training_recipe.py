import pytest

from fracdse.errors import ConfigError
from fracdse.training import Recipe, proxy_recipe
from fracdse.training.phases import phases_of, teacher_phases


def test_the_defaults_are_fracbnns():
    first, second = phases_of(Recipe())
    assert (first.precision, first.epochs, first.weight_decay) == ("real_weights", 250, 1e-5)
    assert (second.precision, second.epochs, second.weight_decay) == ("binary", 250, 0.0)
    assert first.learning_rate_at(0) == 1e-3
    assert first.learning_rate_at(125) == pytest.approx(5e-4)
    assert first.learning_rate_at(250) == 0
    rates = [second.learning_rate_at(epoch) for epoch in (0, 99.9, 100, 150, 200, 249)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-6])


def test_proxies_have_one_step_and_start_thresholds_at_their_target():
    recipe = proxy_recipe({"epochs": 4, "rungs": [1, 2]})
    (only,) = phases_of(recipe)
    assert only.precision == "binary"
    assert recipe.threshold_start == "target"
    assert recipe.rungs == (1, 2)


def test_round_trip():
    recipe = Recipe(epochs=5, rungs=(1, 3), block_loss="attention")
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_teacher_epochs():
    assert teacher_phases(Recipe(epochs=3, real_epochs=2))[0].epochs == 5
    assert teacher_phases(Recipe(teacher_epochs=7))[0].epochs == 7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs = 0 is out of range"),
        ({"epoch": 3}, "unknown key 'epoch'.*did you mean 'epochs'"),
        ({"epochs": "3"}, "training.epochs = '3' must be a whole number, not a text"),
        ({"block_loss": "L2"}, "not one of 'none', 'l2', 'attention'"),
        ({"rungs": 3}, "must be a list of epochs"),
        ({"rungs": [2, 1]}, "increasing"),
        ({"rungs": [400]}, "rungs"),
        ({"validation": 1.0}, "validation = 1.0 is out of range"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"batch_size": 1}, "batch_size = 1"),
        ({"label_weight": 0}, "label_weight = 0 leaves nothing to learn from"),
        ({"label_weight": 0, "distributional": True}, "label_weight = 0 leaves nothing to learn from"),
        ({"label_weight": 0, "block_loss": "l2", "block_weight": 0}, "label_weight = 0 leaves nothing"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ConfigError, match=message):
        Recipe.from_dict(values)


def test_settings_without_effect_are_named():
    assert Recipe().without_effect() == []
    assert Recipe(block_loss="l2", distillation_order="stage-wise", teacher="TWIN").without_effect() == []
    said = Recipe(teacher="TWIN", distillation_order="stage-wise").without_effect()
    assert said == [
        "teacher = 'TWIN' has no effect: no part of the loss asks for a teacher",
        "distillation_order = 'stage-wise' has no effect: block_loss is 'none'",
    ]
    (said,) = Recipe(block_loss="l2", block_weight=0.0).without_effect()
    assert said == "block_loss = 'l2' has no effect: block_weight is 0"
    (said,) = Recipe(label_weight=0.0, logit_weight=1.0, distributional=True).without_effect()
    assert said == "distributional = True has no effect: label_weight is 0"


def test_reading_a_recipe_needs_no_torch():
    import subprocess
    import sys

    code = "import sys; from fracdse.training.recipe import Recipe; Recipe(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
