"""Models from files, as ``training.saving`` wrote them. No code is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from chainrule.core.errors import ChainruleError, FileError, nearest
from chainrule.core.types import Array, ArrayType, Dtype, Shape
from chainrule.data.files import file_error
from chainrule.losses import loss_from_config
from chainrule.metrics import metric_from_config
from chainrule.nn.layers import layer_from_config
from chainrule.ops.random import default_generator
from chainrule.optim import OPTIMIZERS
from chainrule.training.model import Model
from chainrule.training.saving import ARRAYS, DOCUMENT, FORMAT, freeze
from chainrule.training.sequential import Sequential

#: What comes of a document in which something was changed: a key, a type, a number.
DAMAGE = (
    ChainruleError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RecursionError,
)


def read_document(path: str | PathLike[str]) -> dict[str, Any]:
    """Read model.json of a directory, and check that this version can read it.

    Raises:
        FileError: no such directory, not a model's, damaged, or from a newer version.
    """
    directory = Path(path)
    file = directory / DOCUMENT
    if not directory.is_dir():
        came = "a file" if directory.exists() else "no directory of that name"
        siblings = [d.name for d in directory.parent.glob("*/") if (d / DOCUMENT).is_file()]
        hint = nearest(directory.name, siblings)
        raise file_error(directory, came, "the directory of a saved model or run", hint)
    try:
        document = json.loads(file.read_bytes(), parse_constant=_refuse)
    except FileNotFoundError as error:
        raise file_error(
            directory, f"a directory without {DOCUMENT}", "the directory of a saved model or run"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise file_error(file, f"a damaged file ({error})", "the JSON that was saved") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise file_error(file, "JSON of another kind", "a document with a 'format' number")
    if document["format"] > FORMAT:
        raise file_error(
            file,
            f"format {document['format']}, written by Chainrule {document.get('chainrule', '?')}",
            f"format {FORMAT} or older",
            "Update: pip install --upgrade chainrule",
        )
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}, which JSON lacks")


def load_model(path: str | PathLike[str]) -> Model:
    """Read a model from its directory; no code is loaded.

    Args:
        path: the directory.

    Returns:
        The model, compiled as it was when it was saved.

    Raises:
        FileError: no such directory, not a model's, damaged or truncated, or from a newer version.

    >>> import chainrule as cr, tempfile
    >>> model = cr.Sequential([cr.Dense(2)])
    >>> model.make_parameters((3,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder)
    ...     again = cr.load(folder)
    >>> bool((again.get_weights()[0] == model.get_weights()[0]).all())
    True
    """
    document = read_document(path)
    directory = Path(path)
    try:
        model = _rebuild(document["model"])
        expected = document["arrays"]["sha256"]
        compiled = document["compiled"]
        if compiled is not None:
            _compile(model, compiled)
        if "frozen" in document:  # not in older files
            freeze(model, document["frozen"])
    except DAMAGE as error:
        raise file_error(
            directory / DOCUMENT, f"a damaged document ({error})", "the document that was saved"
        ) from error
    arrays = _read_arrays(directory / ARRAYS, expected)
    parameters = model.parameters()
    found = _types({name: (a.shape, a.dtype) for name, a in arrays.items()})
    wanted = _types({name: (p.shape, p.dtype) for name, p in parameters.items()})
    if found != wanted:
        raise file_error(
            directory / ARRAYS, f"the arrays {found}", f"those of the architecture, {wanted}"
        )
    for name, parameter in parameters.items():
        parameter.assign(arrays[name])
    return model


def _types(arrays: Mapping[str, tuple[Shape, Dtype]]) -> str:
    return ", ".join(f"{name} {ArrayType(*arrays[name])}" for name in sorted(arrays))


def _read_arrays(file: Path, sha256: str) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = file.read_bytes()
    except OSError as error:
        raise file_error(
            file, f"no readable file ({error.strerror})", "the model's arrays"
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise file_error(
            file,
            f"{len(data):,} bytes that are not those that were saved",
            f"the arrays that belong to {DOCUMENT}",
            "The file is truncated or damaged, or comes from another model; copy both files again.",
        )
    try:
        arrays: dict[str, Array] = load(data)
    except (SafetensorError, KeyError) as error:  # KeyError: a dtype that NumPy lacks
        raise file_error(file, f"a damaged file ({error})", "the arrays that were saved") from error
    return arrays


def _rebuild(config: Mapping[str, Any]) -> Model:
    if config["type"] != "Sequential":
        raise FileError(f"a model of type {config['type']!r} cannot be loaded")
    layers = [layer_from_config(layer) for layer in config["layers"]]
    model = Sequential(layers, dtype=config["dtype"])
    state = default_generator.state.value
    model.make_parameters(config["input_shape"])
    default_generator.state.assign(state)  # what is drawn here gives way to what was saved
    return model


def _compile(model: Model, described: Mapping[str, Any]) -> None:
    arguments = dict(described["optimizer"])
    optimizer = OPTIMIZERS[arguments.pop("name")](**arguments)
    model.compile(
        optimizer,
        loss_from_config(described["loss"]),
        [metric_from_config(metric) for metric in described["metrics"]],
        weighted_metrics=[metric_from_config(m) for m in described.get("weighted_metrics", ())],
        l2=described["l2"],
    )
