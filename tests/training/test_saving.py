from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import chainrule as cr
from chainrule.core.errors import ArgumentError, ChainruleError, FileError
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.layers import LAYERS
from chainrule.training.saving import check_directory, save_model, to_json
from chainrule.version import __version__

SOURCE = Path(cr.__file__).parent


def network(seed: int = 0, dtype: str = "float32") -> cr.Sequential:
    cr.random.seed(seed)
    model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(2)], dtype=dtype)
    model.compile(cr.optim.Adam(0.01), "cross_entropy", ["accuracy"], l2=0.001)
    model.make_parameters((3,))
    return model


def content(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_what_is_written(tmp_path: Path) -> None:
    model = network()
    directory = tmp_path / "some" / "where"
    model.save(directory)
    assert sorted(content(directory)) == ["model.json", "model.safetensors"]
    arrays = safetensors.numpy.load_file(directory / "model.safetensors")
    assert sorted(arrays) == sorted(model.parameters())
    for name, p in model.parameters().items():
        np.testing.assert_array_equal(arrays[name], p.numpy())
        assert arrays[name].dtype == p.dtype
    text = (directory / "model.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert "\n  " in text  # people can read it
    assert json.loads(text) == {
        "format": 1,
        "chainrule": __version__,
        "model": model.config(),
        "frozen": {"modules": [], "parameters": []},
        "compiled": {
            "loss": "cross_entropy",
            "metrics": ["accuracy"],
            "l2": 0.001,
            "optimizer": {
                "name": "adam",
                "learning_rate": 0.01,
                "beta_1": 0.9,
                "beta_2": 0.999,
                "epsilon": 1e-8,
            },
        },
        "arrays": {
            "file": "model.safetensors",
            "sha256": hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest(),
        },
        "run": None,
    }


def test_the_path_may_be_text(tmp_path: Path) -> None:
    network().save(str(tmp_path / "model"))
    assert (tmp_path / "model" / "model.json").is_file()


def test_what_it_was_compiled_with_may_be_code(tmp_path: Path) -> None:
    for i, arguments in enumerate(
        (
            {"loss": lambda y, p: cr.square(p - y).mean(axis=1)},
            {"metrics": [type("Mine", (cr.metrics.R2,), {})]},
            {"optimizer": type("Mine", (cr.optim.SGD,), {})()},
        )
    ):
        model = network()
        model.compile(**arguments)  # type: ignore[arg-type]
        model.save(tmp_path / str(i))
        assert json.loads((tmp_path / str(i) / "model.json").read_text())["compiled"] is None


# -------------------------------------------------------------------------- refused, unwritten


def swish(x: cr.Tensor) -> cr.Tensor:
    return x * cr.sigmoid(x)


class Own(cr.Model):
    def __init__(self) -> None:
        self.out = cr.Dense(1)

    def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
        return self.out(x)


class Twice(cr.Module):
    def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
        return x * 2.0


class OwnDense(cr.Dense):
    pass


SHARED = cr.Dense(3)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            cr.Sequential([cr.Dense(2, activation=swish)]),
            f"activation: got the function 'swish'; expected one of {', '.join(ACTIVATIONS)}. A "
            "file can name only what Chainrule knows: save the weights with model.get_weights().",
        ),
        (
            Own(),
            "model: got a Own, whose forward() is code; expected a cr.Sequential. Keep the class, "
            "and save the weights with model.get_weights().",
        ),
        (
            cr.Sequential([Twice(), cr.Dense(1)]),
            "model: got a layer of type Twice, which is code; expected a cr.Layer with a config. "
            "Derive the class from cr.Layer, write its config(), and decorate it with "
            "@cr.register; or keep the class, and save the weights with model.get_weights().",
        ),
        (
            cr.Sequential([OwnDense(1)]),
            f"layer: got a OwnDense, which is code; expected one of {', '.join(LAYERS)}. "
            "Derive the class from cr.Layer, write its config(), and decorate it with "
            "@cr.register; or keep the class, and save the weights with model.get_weights().",
        ),
        (
            cr.Sequential([SHARED, cr.Activation("tanh"), SHARED]),
            "model: got layers that share parameters; expected each layer once. Save the weights "
            "with model.get_weights().",
        ),
    ],
    ids=["function", "class", "module", "layer", "shared"],
)
def test_code_is_refused_and_nothing_written(model: cr.Model, text: str, tmp_path: Path) -> None:
    model.make_parameters((3,))
    with pytest.raises(ArgumentError) as caught:
        model.save(tmp_path / "model")
    assert str(caught.value) == text
    assert list(tmp_path.iterdir()) == []
    # Nor is an older model touched.
    network().save(tmp_path / "old")
    before = content(tmp_path / "old")
    with pytest.raises(ArgumentError):
        model.save(tmp_path / "old")
    assert content(tmp_path / "old") == before


def test_a_layer_without_parameters_may_stand_twice(tmp_path: Path) -> None:
    tanh = cr.Activation("tanh")
    model = cr.Sequential([tanh, cr.Dense(2), tanh])
    x = np.ones((2, 3))
    before = model.predict(x)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(cr.load(tmp_path / "model").predict(x), before)


def test_without_parameters(tmp_path: Path) -> None:
    with pytest.raises(ChainruleError) as caught:
        cr.Sequential([cr.Dense(1)]).save(tmp_path / "model")
    assert str(caught.value) == ("the model has no parameters yet: fit it, or call it once, first")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_holds_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileError) as caught:
        network().save(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: got a directory that holds other files; expected a new or empty directory, "
        "or a model's."
    )
    assert content(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("a file")
    with pytest.raises(FileError) as caught:
        network().save(tmp_path / "model")
    assert str(caught.value) == (
        f"{tmp_path / 'model'}: got a file; expected a directory. Choose another name."
    )
    with pytest.raises(
        FileError, match=r"got an error while making it \(Not a directory\); expecte"
    ):
        network().save(tmp_path / "model" / "inside")
    assert (tmp_path / "model").read_text() == "a file"


def test_overwriting(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    network(0).save(directory, overwrite=False)  # an empty directory is free
    before = content(directory)
    with pytest.raises(FileError) as caught:
        network(1).save(directory, overwrite=False)
    assert str(caught.value).startswith(
        f"{directory}: got a model that is there already; expected a new directory. "
    )
    assert content(directory) == before
    model = network(1)
    model.save(directory)
    after = content(directory)
    assert sorted(after) == sorted(before)
    assert after["model.safetensors"] != before["model.safetensors"]
    found = cr.load(directory).get_weights()
    for one, other in zip(found, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_check_directory(tmp_path: Path) -> None:
    check_directory(tmp_path / "new")
    check_directory(tmp_path)
    assert not (tmp_path / "new").exists()


# ------------------------------------------------------------------------- all files or none


class Disk:
    """Lets writing fail at a chosen step, as a full or broken disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
        self.monkeypatch, self.error = monkeypatch, error

    def fail(self, module: Any, name: str, after: int) -> None:
        real, calls = getattr(module, name), []

        def failing(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            if len(calls) > after:
                raise self.error
            return real(*arguments, **options)

        self.monkeypatch.setattr(module, name, failing)


ERRORS = [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", ERRORS, ids=["full", "Ctrl-C"])
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_write_that_fails_leaves_the_old_model(
    error: BaseException, new: bool, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "model"
    files = {"notes.txt": b"new notes"}
    if not new:
        save_model(network(0), directory, files={"notes.txt": b"old notes"})
    before = {} if new else content(directory)
    disk = Disk(monkeypatch, error)
    disk.fail(Path, "open", after)  # the temporary files are opened one by one
    with pytest.raises((FileError, KeyboardInterrupt)) as caught:
        save_model(network(1), directory, files=files)
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert re.search(
            r"got an error while writing \(No space left on device\); expected a place that can be "
            r"written\. Check permissions and free space\.$",
            str(caught.value),
        )
    assert content(directory) == before
    if not new:
        assert len(cr.load(directory).get_weights()) == 4


def test_a_disk_that_is_full_at_the_last_byte(tmp_path: Path) -> None:
    """What is only buffered has not been written: it must fail before anything is renamed."""
    directory = tmp_path / "model"
    network(0).save(directory)
    before = content(directory)
    real = Path.open

    class Full:
        """A file whose buffer cannot be flushed."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> int:
            return len(data)

        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self) -> int:
            return int(self.file.fileno())

    opened: list[Path] = []

    def only_the_first_is_full(path: Path, *arguments: Any, **options: Any) -> Any:
        file = real(path, *arguments, **options)
        opened.append(path)
        return Full(file) if len(opened) == 1 else file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", only_the_first_is_full)
        with pytest.raises(FileError, match="No space left on device"):
            network(1).save(directory)
    assert len(opened) >= 1
    assert content(directory) == before
    cr.load(directory)


def test_temporary_files_lie_in_the_directory_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename is atomic only inside one file system; and the document is renamed last."""
    renamed = []
    real = Path.replace

    def noting(self: Path, target: Path) -> Path:
        renamed.append((self.parent, Path(target)))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    network().save(tmp_path / "model")
    directory = tmp_path / "model"
    assert {parent for parent, _ in renamed} == {directory}
    assert [target.name for _, target in renamed] == ["model.safetensors", "model.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    network(0).save(directory)
    before = content(directory)
    directory.chmod(0o500)
    try:
        with pytest.raises(FileError, match="Permission denied"):
            network(1).save(directory)
    finally:
        directory.chmod(0o700)
    assert content(directory) == before


# ---------------------------------------------------------------------------------------- JSON


def test_json() -> None:
    assert (
        to_json({"ä": [1, None, "x"]})
        == '{\n  "ä": [\n    1,\n    null,\n    "x"\n  ]\n}\n'.encode()
    )
    given = {"a": np.int64(3), "b": np.float32(0.5), "c": np.bool_(True)}
    assert json.loads(to_json(given)) == {"a": 3, "b": 0.5, "c": True}
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": float("nan")})
    with pytest.raises(TypeError, match="a function cannot be written as JSON"):
        to_json({"a": swish})


# ------------------------------------------------------------------------------- no code loaded

FORBIDDEN_MODULES = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"),
    *("yaml", "importlib", "builtins", "code", "codeop", "runpy", "torch"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"np.load", "numpy.load", "np.fromfile", "numpy.fromfile", "pd.read_pickle"}


#: Modules that import others by a name which stands in the source itself, that compile what they
#: wrote themselves, or that write Keras's word for a plain function.
ALLOWED = {
    "compiler/numpy_code.py": ["compile"],
    "compiler/user_frames.py": ["compile"],
    "data/datasets.py": ["importlib"],
    "data/lazy.py": ["importlib"],
    "keras/serialization.py": ["importlib", "the text 'builtins'"],
    "viz/__init__.py": ["importlib"],
}


def forbidden(source: str) -> list[str]:
    """What in a module's source could run code from a file."""
    return list(_forbidden(ast.parse(source), FORBIDDEN_CALLS))


def _forbidden(node: ast.AST, calls: set[str]) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        calls = calls - {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names]
        modules = names if isinstance(node, ast.Import) else [node.module or ""]
        yield from (m for m in modules if m.split(".")[0] in FORBIDDEN_MODULES)
    elif isinstance(node, ast.Name) and node.id in calls:
        yield node.id  # even unless called: it could be passed on
    elif isinstance(node, ast.Attribute) and ast.unparse(node) in FORBIDDEN_METHODS:
        yield ast.unparse(node)
    elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        yield "allow_pickle"
    elif isinstance(node, ast.Constant) and node.value in FORBIDDEN_MODULES - {"code"}:
        yield f"the text {node.value!r}"
    for child in ast.iter_child_nodes(node):
        yield from _forbidden(child, calls)


def test_no_module_can_run_code_from_a_file() -> None:
    """No pickle and no eval anywhere: loading an untrusted model must never run code."""
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 60
    found = {str(file.relative_to(SOURCE)): forbidden(file.read_text("utf-8")) for file in files}
    assert {place: what for place, what in found.items() if what} == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import os, marshal as m",
        "def f():\n    import shelve",
        "eval('1')",
        "f = eval",
        "exec(text)",
        "compile(text, 'x', 'exec')",
        "import yaml\nyaml.load(text)",
        "from importlib import import_module",
        "np.load(file)",
        "load(file, allow_pickle=True)",
        "__import__('os')",
    ],
)
def test_the_search_finds_what_it_should(source: str) -> None:
    assert forbidden(source)


def test_the_search_finds_nothing_else() -> None:
    harmless = """
class P:
    def compile(self): ...
primitive.eval(x)
p.compile()
f(eval=g)
h = lambda eval: eval(1)
"""
    assert forbidden(harmless) == []
