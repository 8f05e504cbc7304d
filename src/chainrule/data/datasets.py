"""The built-in data sets: five from scikit-learn, six generated as TensorFlow Playground does."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from chainrule.core.errors import ArgumentError, MissingDependencyError, nearest
from chainrule.data import playground
from chainrule.data.lazy import pl

Task = Literal["classification", "regression"]

SCIKIT_LEARN = "scikit-learn"
PLAYGROUND = "TensorFlow Playground"


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a built-in data set without loading it.

    Attributes:
        name: the name that stands for the data set wherever a file can.
        task: ``"classification"`` or ``"regression"``.
        target: the column to predict.
        rows: number of rows (of a generated set: unless ``samples`` is given).
        features: number of feature columns.
        classes: number of classes; None for regression.
        description: one line.
        source: the package that holds the data, or the program that defines it.
    """

    name: str
    task: Task
    target: str
    rows: int
    features: int
    classes: int | None
    description: str
    source: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set.

    Attributes:
        frame: all columns, the target last.
        target: name of the column to predict.
        info: its entry in ``DATASETS``.
    """

    frame: pl.DataFrame
    target: str
    info: DatasetInfo


_INFOS = (
    DatasetInfo(
        "digits", "classification", "digit", 1797, 64, 10,
        "Handwritten digits, 8x8 pixels of 0 to 16 (UCI)", SCIKIT_LEARN,
    ),
    DatasetInfo(
        "iris", "classification", "species", 150, 4, 3,
        "Three species of iris by their sepals and petals (Fisher, 1936)", SCIKIT_LEARN,
    ),
    DatasetInfo(
        "wine", "classification", "cultivar", 178, 13, 3,
        "Wines of three cultivars by their chemical analysis (UCI)", SCIKIT_LEARN,
    ),
    DatasetInfo(
        "breast_cancer", "classification", "diagnosis", 569, 30, 2,
        "Breast tumors, malignant or benign, by their cell nuclei (Wisconsin, UCI)", SCIKIT_LEARN,
    ),
    DatasetInfo(
        "diabetes", "regression", "progression", 442, 10, None,
        "Progress of diabetes one year after ten measurements (Efron et al., 2004)", SCIKIT_LEARN,
    ),
    DatasetInfo(
        "xor", "classification", "label", 500, 2, 2,
        "Four quadrants, opposite ones alike", PLAYGROUND,
    ),
    DatasetInfo(
        "circle", "classification", "label", 500, 2, 2,
        "A disc inside a ring", PLAYGROUND,
    ),
    DatasetInfo(
        "gauss", "classification", "label", 500, 2, 2,
        "Two round clouds", PLAYGROUND,
    ),
    DatasetInfo(
        "spiral", "classification", "label", 500, 2, 2,
        "Two interleaved spiral arms", PLAYGROUND,
    ),
    DatasetInfo(
        "plane", "regression", "label", 1200, 2, None,
        "A tilted plane", PLAYGROUND,
    ),
    DatasetInfo(
        "multi_gauss", "regression", "label", 1200, 2, None,
        "Six bumps, three up and three down", PLAYGROUND,
    ),
)  # fmt: skip

DATASETS: Mapping[str, DatasetInfo] = MappingProxyType({info.name: info for info in _INFOS})


def load_dataset(
    name: str, *, seed: int = 0, samples: int | None = None, noise: float | None = None
) -> Dataset:
    """Load a built-in data set.

    Args:
        name: a key of ``DATASETS``.
        seed: fixes the rows of a generated set; the others are always the same.
        samples: rows of a generated set.
        noise: noise of a generated set, 0 (the default) to 0.5.

    Raises:
        ArgumentError: an unknown name, an option out of its range, or an option for a set that
            is not generated.
        MissingDependencyError: the set comes with scikit-learn, which is not installed.

    >>> load_dataset("spiral", noise=0.1).frame.shape
    (500, 3)
    """
    if name not in DATASETS:
        expected = f"one of {', '.join(DATASETS)}"
        raise ArgumentError("name", repr(name), expected, nearest(name, DATASETS))
    info = DATASETS[name]
    if info.source == PLAYGROUND:
        columns = playground.generate(name, samples=samples, noise=noise or 0.0, seed=seed)
        return Dataset(pl.DataFrame(columns), info.target, info)
    for option, value in (("samples", samples), ("noise", noise)):
        if value is not None:
            expected = f"no such option: {name} is not generated"
            raise ArgumentError(option, repr(value), expected, "Leave it out.")
    return Dataset(_load_from_scikit_learn(info), info.target, info)


def _load_from_scikit_learn(info: DatasetInfo) -> pl.DataFrame:
    try:
        sklearn: Any = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise MissingDependencyError(
            f"The data set {info.name!r} comes with scikit-learn, which is not installed. "
            "Install it: pip install 'chainrule[datasets]'"
        ) from error
    # Diabetes in its own units: scikit-learn's scaled form was scaled by the rows that a test
    # should hold out, too.
    options = {"scaled": False} if info.name == "diabetes" else {}
    bunch = getattr(sklearn, f"load_{info.name}")(**options)
    columns = {str(c): bunch.data[:, i] for i, c in enumerate(bunch.feature_names)}
    target = bunch.target
    if info.task == "classification" and info.name != "digits":  # digits are their own names
        target = [str(class_name) for class_name in np.asarray(bunch.target_names)[bunch.target]]
    return pl.DataFrame({**columns, info.target: target})
