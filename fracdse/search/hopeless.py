"""Refuse designs that no training can save: their hardware is dominated at the best accuracy to be expected of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fracdse.search.knowledge import Knowledge, Memory
from fracdse.search.trial_facts import Outcome

_FEWEST_TRAININGS = 8
_FEWEST_TRAININGS_A_FIELD = 2
_DEVIATIONS = 3.0


def hopeless(memory: Memory, knowledge: Knowledge, params: Mapping[str, object], outcome: Outcome) -> str:
    """Return why a feasible design needs no training, or an empty text if it may add to the front.

    The best accuracy to be expected is the model's mean and three deviations, about one design in a thousand being
    better. Before there are trainings enough for a model, every design is worth one.

    Args:
        memory: What encodes designs and costs.
        knowledge: The search so far.
        params: The design's parameters.
        outcome: Its hardware, known and feasible.
    """
    fewest = max(_FEWEST_TRAININGS, _FEWEST_TRAININGS_A_FIELD * len(params))
    if len(knowledge.trained) < fewest or outcome.hardware is None:
        return ""
    costs = np.array(memory.costs_of({name: figure.value for name, figure in outcome.hardware.items()}))
    no_dearer = np.flatnonzero((knowledge.costs <= costs).all(axis=1))
    if not len(no_dearer):
        return ""
    best = no_dearer[np.argmax(knowledge.trained.accuracies[no_dearer])]
    predicted = knowledge.model.predict(memory.encoder.encode([params]))
    bound = min(1.0, float(predicted.mean[0] + _DEVIATIONS * predicted.deviation[0]))
    if bound > knowledge.trained.accuracies[best]:
        return ""
    rival, reached = knowledge.trained.numbers[best], knowledge.trained.accuracies[best]
    return (
        f"not trained: {bound:.2%} is the most to be expected of it, and trial {rival} reached {reached:.2%} with no "
        "more hardware"
    )
