from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import FileError
from chainrule.losses import CrossEntropy, SquaredError
from chainrule.training.loading import read_document
from chainrule.training.saving import ARRAYS, DOCUMENT

X = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20) % 2


def network(dtype: str = "float32") -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential(
        [
            cr.Dense(4, activation="elu", kernel_initializer="he_uniform"),
            cr.Dense(3, use_bias=False),
            cr.Activation("tanh"),
            cr.Dense(2, bias_initializer="glorot_uniform"),
        ],
        dtype=dtype,
    )
    model.compile(cr.optim.Adam(0.01, beta_1=0.8), "cross_entropy", ["accuracy", "mse"], l2=0.01)
    model.setup.metrics.pop()  # type: ignore[union-attr]
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = network()
    model.fit(X, LABELS, verbose=0)
    model.save(tmp_path / "model")
    return tmp_path / "model"


def change(directory: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads((directory / DOCUMENT).read_text())
    edit(document)
    (directory / DOCUMENT).write_text(json.dumps(document))


def replace_arrays(directory: Path, data: bytes) -> None:
    """Put other arrays there, with a document that claims they are its own."""
    (directory / ARRAYS).write_bytes(data)
    change(directory, lambda d: d["arrays"].update(sha256=hashlib.sha256(data).hexdigest()))


# ----------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bit_for_bit(dtype: str, tmp_path: Path) -> None:
    model = network(dtype)
    model.fit(X, LABELS, epochs=2, verbose=0)
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert isinstance(again, cr.Sequential)
    assert again.dtype == dtype
    assert again.config() == model.config()
    assert list(again.parameters()) == list(model.parameters())
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert str(again.summary()) == str(model.summary())


def test_weights_of_every_kind_of_number(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(3, use_bias=False)], dtype="float64")
    model.make_parameters((3,))
    odd = np.array([[0.0, -0.0, 5e-324], [np.nan, np.inf, -np.inf], [1 / 3, 1e308, np.pi]])
    model.set_weights([odd])
    model.save(tmp_path / "model")
    (found,) = cr.load(tmp_path / "model").get_weights()
    assert found.tobytes() == odd.tobytes()


def test_what_it_was_compiled_with_comes_back(saved: Path) -> None:
    model, again = network(), cr.load(saved)
    model.fit(X, LABELS, verbose=0)
    assert again.setup is not None
    assert model.setup is not None
    assert type(again.setup.loss) is CrossEntropy
    assert again.setup.l2 == 0.01
    assert again.setup.metrics == model.setup.metrics
    assert again.setup.optimizer.config() == model.setup.optimizer.config()
    assert type(again.setup.optimizer) is cr.optim.Adam
    assert again.evaluate(X, LABELS) == model.evaluate(X, LABELS)


def test_training_goes_on_after_loading(tmp_path: Path) -> None:
    """With an optimizer that has no state, as if nothing had happened."""
    weights = []
    for interrupted in (False, True):
        model: cr.Model = network("float64")
        model.compile(cr.optim.SGD(0.1), "cross_entropy", l2=0.01)
        model.fit(X, LABELS, epochs=2, verbose=0)
        if interrupted:
            model.save(tmp_path / "model")
            model = cr.load(tmp_path / "model")
        cr.random.seed(1)
        model.fit(X, LABELS, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("nesterov", [True, False])
def test_other_compiled_states(nesterov: bool, tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(1)])
    model.compile(cr.optim.SGD(0.3, 0.5, nesterov), "mse", ["mae", "r2"])
    model.make_parameters((2,))
    model.save(tmp_path / "model")
    setup = cr.load(tmp_path / "model").compiled()
    assert type(setup.loss) is SquaredError
    assert [metric.name for metric in setup.make_metrics()] == ["mae", "r2"]
    assert setup.optimizer.config() == {
        "learning_rate": 0.3,
        "momentum": 0.5,
        "nesterov": nesterov,
    }


def test_without_compiling(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(2)])
    model.make_parameters((3,))
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert again.setup is None
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def frozen_network() -> cr.Sequential:
    inner = cr.Sequential([cr.Dense(3), cr.Dense(2)])
    model = cr.Sequential([cr.Dense(4), cr.BatchNorm(), inner, cr.Dense(2)])
    model.compile("sgd", "mse")
    model.make_parameters((3,))
    model.layers[0].kernel.trainable = False  # type: ignore[union-attr]
    model.layers[1].trainable = False
    inner.trainable = False
    inner.layers[1].trainable = True
    return model


def test_what_is_frozen_stays_frozen(tmp_path: Path) -> None:
    model = frozen_network()
    model.save(tmp_path / "model")
    loaded = cr.load(tmp_path / "model")
    for one, other in zip(model.modules().items(), loaded.modules().items(), strict=True):
        assert (one[0], one[1].trainable) == (other[0], other[1].trainable)
    kept = [p.name for p in loaded.trainable_parameters()]
    assert kept == [
        "layers.0.bias",
        "layers.2.layers.1.kernel",
        "layers.2.layers.1.bias",
        "layers.3.kernel",
        "layers.3.bias",
    ]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    for each in (model, loaded):
        each.fit(x, y, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    loaded.layers[1].trainable = True  # type: ignore[attr-defined]
    assert len(loaded.trainable_parameters()) == 7


def test_files_that_do_not_say_what_is_frozen(tmp_path: Path) -> None:
    model = frozen_network()
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    document = json.loads(file.read_text("utf-8"))
    del document["frozen"]
    file.write_text(json.dumps(document), "utf-8")
    loaded = cr.load(tmp_path / "model")
    assert loaded.trainable
    assert len(loaded.trainable_parameters()) == len(loaded.parameters()) - 2


def test_a_frozen_path_that_is_not_there(tmp_path: Path) -> None:
    frozen_network().save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    text = file.read_text("utf-8").replace('"layers.2.layers.0"', '"layers.7"')
    file.write_text(text, "utf-8")
    with pytest.raises(FileError, match=r"a damaged document \('layers.7'\)"):
        cr.load(tmp_path / "model")


def test_several_axes(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(2)])
    model.make_parameters((5, 3))
    model.save(tmp_path / "model")
    assert cr.load(tmp_path / "model").input_shape == (5, 3)


def test_unknown_keys_are_passed_over(saved: Path) -> None:
    before = cr.load(saved).get_weights()
    change(saved, lambda d: d.update(remark="from a colleague"))
    for one, other in zip(cr.load(saved).get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------------------------------- errors


def error_of(path: Path) -> str:
    with pytest.raises(FileError) as caught:
        cr.load(path)
    return str(caught.value)


def test_no_such_directory(saved: Path) -> None:
    path = saved.parent / "modle"
    assert error_of(path) == (
        f"{path}: got no directory of that name; expected the directory of a saved model or run. "
        "Did you mean 'model'?"
    )
    path = saved.parent / "zzz" / "yyy"
    assert error_of(path) == (
        f"{path}: got no directory of that name; expected the directory of a saved model or run."
    )


def test_a_file_instead_of_its_directory(saved: Path) -> None:
    path = saved / DOCUMENT
    assert error_of(path).startswith(f"{path}: got a file; expected the directory of a saved model")


def test_a_directory_that_is_no_models(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert error_of(tmp_path) == (
        f"{tmp_path}: got a directory without model.json; expected the directory of a saved model "
        "or run."
    )


@pytest.mark.parametrize("keep", [0, 1, 100, -1, -2])
def test_a_truncated_document(saved: Path, keep: int) -> None:
    data = (saved / DOCUMENT).read_bytes().rstrip()
    (saved / DOCUMENT).write_bytes(data[:keep])
    assert error_of(saved).startswith(f"{saved / DOCUMENT}: got a damaged file (")
    assert error_of(saved).endswith("); expected the JSON that was saved.")


@pytest.mark.parametrize(
    "data",
    [
        b'{"format": NaN}',
        b'{"format": 1, "x": [-Infinity]}',
        b"\xff\xfe",
        b"\x00" * 50,
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b"1" * 10_000,
    ],
)
def test_what_is_no_json(saved: Path, data: bytes) -> None:
    (saved / DOCUMENT).write_bytes(data)
    assert error_of(saved).startswith(f"{saved / DOCUMENT}: got a damaged file (")


@pytest.mark.parametrize("data", [b"[]", b"3", b"null", b'"x"', b"{}", b'{"format": "1"}'])
def test_json_of_another_kind(saved: Path, data: bytes) -> None:
    (saved / DOCUMENT).write_bytes(data)
    assert error_of(saved) == (
        f"{saved / DOCUMENT}: got JSON of another kind; expected a document with a 'format' number."
    )


def test_a_newer_format_names_the_version(saved: Path) -> None:
    change(saved, lambda d: d.update(format=2, chainrule="9.8.7", model="all is different"))
    assert error_of(saved) == (
        f"{saved / DOCUMENT}: got format 2, written by Chainrule 9.8.7; expected format 1 or "
        "older. Update: pip install --upgrade chainrule"
        "."
    ).removesuffix(".")
    change(saved, lambda d: d.pop("chainrule"))
    assert "got format 2, written by Chainrule ?;" in error_of(saved)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1])
def test_truncated_arrays(saved: Path, keep: int) -> None:
    data = (saved / ARRAYS).read_bytes()
    (saved / ARRAYS).write_bytes(data[:keep])
    assert error_of(saved) == (
        f"{saved / ARRAYS}: got {len(data[:keep])} bytes that are not those that were saved; "
        "expected the arrays that belong to model.json. The file is truncated or damaged, or comes "
        "from another model; copy both files again."
    )


def test_one_bit_changed(saved: Path) -> None:
    data = bytearray((saved / ARRAYS).read_bytes())
    data[-1] ^= 1
    (saved / ARRAYS).write_bytes(data)
    assert f"got {len(data)} bytes that are not those that were saved;" in error_of(saved)


def test_arrays_of_another_model(saved: Path, tmp_path: Path) -> None:
    other = network()
    other.fit(X, LABELS, epochs=2, verbose=0)
    other.save(tmp_path / "other")
    (saved / ARRAYS).write_bytes((tmp_path / "other" / ARRAYS).read_bytes())
    assert "bytes that are not those that were saved" in error_of(saved)


def test_missing_arrays(saved: Path) -> None:
    (saved / ARRAYS).unlink()
    assert error_of(saved) == (
        f"{saved / ARRAYS}: got no readable file (No such file or directory); expected the "
        "model's arrays."
    )


@pytest.mark.parametrize("keep", [0, 7, 9, 60])
def test_arrays_that_are_damaged_though_their_hash_fits(saved: Path, keep: int) -> None:
    replace_arrays(saved, (saved / ARRAYS).read_bytes()[:keep])
    assert error_of(saved).startswith(f"{saved / ARRAYS}: got a damaged file (")


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda a: a.pop("layers.1.kernel"), "layers.0.kernel float32[3,4], layers.3.bias"),
        (lambda a: a.update(extra=np.zeros(2, np.float32)), "extra float32[2], layers.0.bias"),
        (
            lambda a: a.update({"layers.1.kernel": a["layers.1.kernel"].T}),
            "layers.1.kernel float32[3,4]",
        ),
        (
            lambda a: a.update({"layers.1.kernel": a["layers.1.kernel"].astype("float64")}),
            "layers.1.kernel float64[4,3]",
        ),
    ],
)
def test_arrays_that_the_architecture_lacks(
    saved: Path, edit: Callable[[dict[str, Any]], Any], text: str
) -> None:
    arrays = safetensors.numpy.load_file(saved / ARRAYS)
    edit(arrays)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    replace_arrays(saved, safetensors.numpy.save(arrays))
    error = error_of(saved)
    assert error.startswith(f"{saved / ARRAYS}: got the arrays ")
    assert text in error.split(";")[0]
    assert error.endswith(
        "; expected those of the architecture, layers.0.bias float32[4], layers.0.kernel "
        "float32[3,4], layers.1.kernel float32[4,3], layers.3.bias float32[2], layers.3.kernel "
        "float32[3,2]."
    )


def test_arrays_of_a_dtype_that_numpy_lacks(saved: Path) -> None:
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    replace_arrays(saved, struct.pack("<Q", len(header)) + header + bytes(4))
    assert error_of(saved) == (
        f"{saved / ARRAYS}: got a damaged file ('BF16'); expected the arrays that were saved."
    )


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda d: d.pop("model"), "('model')"),
        (lambda d: d.pop("arrays"), "('arrays')"),
        (lambda d: d.pop("compiled"), "('compiled')"),
        (
            lambda d: d["model"].update(type="Transformer"),
            "a model of type 'Transformer' cannot be",
        ),
        (lambda d: d["model"].update(dtype="float16"), "dtype: got float16; expected float32, fl"),
        (lambda d: d["model"].update(input_shape=[-3]), ""),
        (lambda d: d["model"].update(input_shape=[1e300]), ""),
        (lambda d: d["model"].update(input_shape=["three"]), ""),
        (lambda d: d["model"].update(input_shape=[2**40]), ""),
        (lambda d: d["model"]["layers"][0].update(activation="os.system"), "activation: got 'os."),
        (lambda d: d["model"]["layers"][0].update(type="object"), "layer: got 'object'; expected"),
        (lambda d: d["model"]["layers"][0].update(units=2**40), ""),
        (lambda d: d["model"]["layers"][0].update(kernel_initializer=[]), ""),
        (lambda d: d["compiled"].update(loss="hunge"), "loss: got 'hunge'; expected one of"),
        (lambda d: d["compiled"]["optimizer"].update(name="unheard"), "('unheard')"),
        (lambda d: d["compiled"]["optimizer"].update(learning_rate=-1), "learning_rate: got -1"),
    ],
)
def test_a_damaged_document(saved: Path, edit: Callable[[dict[str, Any]], Any], text: str) -> None:
    change(saved, edit)
    error = error_of(saved)
    assert error.startswith(f"{saved / DOCUMENT}: got a damaged document (")
    assert text in error
    assert error.endswith("); expected the document that was saved.")


def test_a_shape_without_features(saved: Path) -> None:
    change(saved, lambda d: d["model"].update(input_shape=[0]))  # fan_in is 0: no initial values
    assert re.search(r"model\.(json|safetensors): got ", error_of(saved))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every key and item of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        found.append((*path, key))
        if isinstance(inner, dict | list):
            found += places(inner, (*path, key))
    return found


VALUES = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1, 2, 3, 2**40, 2.5, -1e308, float("nan"), float("inf")]
    ),
    st.sampled_from(["", "relu", "Dense", "adam", "accuracy", "float64", "\x00", "../x"]),
    st.sampled_from([[], {}, [[]], [1], [None], {"a": 1}, {"type": "Dense"}, ["accuracy"]]),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_change_of_the_document_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    model, directory = _model_in(tmp_path_factory)
    original = (directory / DOCUMENT).read_text()
    document = json.loads(original)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(document)))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()):
            del parent[path[-1]]
        else:
            parent[path[-1]] = data.draw(VALUES)
        if not places(document):
            break
    (directory / DOCUMENT).write_text(json.dumps(document))
    try:
        again = cr.load(directory)
        assert again.predict(X).shape == (20, 2)
        for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    except FileError as error:
        assert str(directory) in str(error) or "cannot be loaded" in str(error)  # noqa: PT017
    finally:
        (directory / DOCUMENT).write_text(original)


_MADE: list[tuple[cr.Sequential, Path]] = []


def _model_in(factory: pytest.TempPathFactory) -> tuple[cr.Sequential, Path]:
    if not _MADE:
        model = network()
        model.fit(X, LABELS, verbose=0)
        model.save(factory.mktemp("changed") / "model")
        _MADE.append((model, factory.getbasetemp() / "changed0" / "model"))
    return _MADE[0]


def test_reading_the_document(saved: Path) -> None:
    document = read_document(str(saved))
    assert document["format"] == 1
    assert document["run"] is None


def test_loading_draws_no_random_numbers(saved: Path) -> None:
    draws = []
    for load in (False, True):
        cr.random.seed(3)
        if load:
            cr.load(saved)
        draws.append(cr.random.uniform(shape=(4,)).tolist())
    assert draws[0] == draws[1]
