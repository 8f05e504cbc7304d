from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn.datasets as sk
from polars.testing import assert_frame_equal

from chainrule.core.errors import ArgumentError, MissingDependencyError
from chainrule.data import DATASETS, Dataset, load_dataset

TARGETS = {
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}
GENERATED = ["xor", "circle", "gauss", "spiral", "plane", "multi_gauss"]


def test_the_list() -> None:
    assert list(DATASETS) == [*TARGETS, *GENERATED]
    with pytest.raises(TypeError):
        DATASETS["mine"] = DATASETS["iris"]  # type: ignore[index]


@pytest.mark.parametrize("name", list(DATASETS))
def test_the_metadata_is_true(name: str) -> None:
    info, dataset = DATASETS[name], load_dataset(name)
    assert isinstance(dataset, Dataset)
    assert dataset.info is info
    assert info.name == name
    assert dataset.target == info.target == TARGETS.get(name, "label")
    assert dataset.frame.shape == (info.rows, info.features + 1)
    assert dataset.frame.columns[-1] == info.target
    assert info.description
    assert info.source
    distinct = dataset.frame[info.target].n_unique()
    assert info.task == ("regression" if info.classes is None else "classification")
    assert distinct == info.classes if info.classes else distinct > 100


@pytest.mark.parametrize("name", list(TARGETS))
def test_scikit_learn_values(name: str) -> None:
    load: Callable[..., Any] = getattr(sk, f"load_{name}")
    bunch = load(scaled=False) if name == "diabetes" else load()
    frame = load_dataset(name).frame
    assert frame.columns[:-1] == list(bunch.feature_names)
    np.testing.assert_array_equal(frame.drop(TARGETS[name]).to_numpy(), bunch.data)
    target = frame[TARGETS[name]].to_list()
    if name in {"digits", "diabetes"}:
        assert target == bunch.target.tolist()
    else:
        assert target == [str(bunch.target_names[i]) for i in bunch.target]


def test_target_types() -> None:
    types = {name: load_dataset(name).frame.schema[TARGETS[name]] for name in TARGETS}
    text = dict.fromkeys(["iris", "wine", "breast_cancer"], pl.String)
    assert types == text | {"digits": pl.Int64, "diabetes": pl.Float64}
    assert load_dataset("digits").frame.columns[:2] == ["pixel_0_0", "pixel_0_1"]
    assert load_dataset("breast_cancer").frame["diagnosis"][0] == "malignant"


def test_options_of_generated_sets() -> None:
    assert_frame_equal(load_dataset("xor").frame, load_dataset("xor", seed=0, noise=0.0).frame)
    assert load_dataset("xor", samples=30).frame.height == 30
    assert not load_dataset("xor", noise=0.3).frame.equals(load_dataset("xor").frame)
    assert not load_dataset("xor", seed=1).frame.equals(load_dataset("xor").frame)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"name: got 'iriss'; .* Did you mean 'iris'"):
        load_dataset("iriss")
    with pytest.raises(
        ArgumentError, match=r"noise: got 0\.1; expected no such option: iris is not"
    ):
        load_dataset("iris", noise=0.1)
    with pytest.raises(ArgumentError, match="samples: got 10"):
        load_dataset("digits", samples=10)


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'chainrule\[datasets\]'"):
        load_dataset("iris")
    assert load_dataset("xor").frame.height == 500
