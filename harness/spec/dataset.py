"""Whether the data set that a specification names has what its protocols ask for, without loading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data import DATASETS, Size, known_datasets
from harness.errors import SpecError
from harness.spec.model import Spec


def check_dataset(spec: Spec) -> None:
    """Refuse a specification that cannot be trained on its data set, before anything is.

    SpecError names the file, the key, what was expected and found, and the data sets that there are.
    """
    size = DATASETS.get(spec.dataset)
    if size is None:
        raise SpecError(
            f"{spec.path}: dataset: no data set {spec.dataset!r}: name one that there is: {known_datasets()}"
        )
    for items, places in _written(spec):
        for name, place in places.items():
            if problem := _problem(name, items[name], spec.dataset, size):
                raise SpecError(f"{spec.path}: {place}: {problem}")


def _written(spec: Spec) -> Iterator[tuple[Mapping[str, Any], Mapping[str, str]]]:
    """Every set of items in the specification with their keys: protocols and what overrides them."""
    for experiment in spec.experiments.values():
        yield vars(experiment.protocol), experiment.places
    for candidate in spec.candidates.values():
        yield candidate.override, candidate.places
    for budget in spec.budgets.values():
        for id, override in budget.overrides.items():
            yield override, budget.places[id]


def _problem(name: str, value: Any, dataset: str, size: Size) -> str | None:
    """What is wrong with one item and what to do about it; None if the data set has what it asks for."""
    others = f"or name another data set; there are {known_datasets()}"
    if name == "layer_sizes" and value[0] != size.features:
        return (
            f"expected {size.features} as the first size, the features of {dataset}, found {value[0]}: "
            f"write {size.features}, {others}"
        )
    if name == "layer_sizes" and value[-1] != size.classes:
        return (
            f"expected {size.classes} as the last size, the classes of {dataset}, found {value[-1]}: "
            f"write {size.classes}, {others}"
        )
    if name in ("train_images", "test_images"):
        most: int = getattr(size, name)
        if value > most:
            kind = "training" if name == "train_images" else "test"
            return (
                f"expected at most {most:,}, the {kind} images of {dataset}, found {value:,}: "
                f"ask for fewer, {others}"
            )
    return None
