"""Models and parameters in files, and names of classes of one's own.

A saved model is a directory in Chainrule's own format, with two files more: keras.json, the
architecture and the compilation in Keras's format, and optimizer.safetensors, the optimizer's
state. No code is loaded.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError, FileError
from chainrule.core.types import Array
from chainrule.data.files import atomic_write, file_error, missing_file
from chainrule.keras import losses, metrics, optimizers
from chainrule.keras.models import Model
from chainrule.keras.of_core import keras_model, keras_optimizer
from chainrule.keras.serialization import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from chainrule.ops.random import default_generator
from chainrule.training import loading
from chainrule.training import sequential as core
from chainrule.training.model import Compiled
from chainrule.training.saving import ARRAYS, DOCUMENT, freeze, frozen_in, to_json
from chainrule.training.saving import save_model as save_core

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

#: The files beside Chainrule's own.
ARCHITECTURE = "keras.json"
STATE = "optimizer.safetensors"
#: Version of the format of keras.json.
FORMAT = 1


def save_model(
    model: Any, filepath: str | PathLike[str], overwrite: bool = True, **options: Any
) -> None:
    """Write a model into a directory: parameters, layers, compilation, the optimizer's state.

    Args:
        model: the model; its parameters must be made.
        filepath: the directory; it is made.
        overwrite: whether to replace a model that is there.
        options: ``include_optimizer=False``: without what it was compiled with; ``zipped=False``.

    Raises:
        ArgumentError: layers whose arguments a file cannot hold.
        FileError: the directory cannot be written.
    """
    include = options.pop("include_optimizer", True)
    for name, value in options.items():
        if name not in ("zipped", "save_format") or (name == "zipped" and value):
            raise ArgumentError(name, repr(value), "include_optimizer, or zipped=False")
    if not isinstance(model, Model):
        save_core(model, filepath, overwrite=overwrite)
        return
    if model.input_shape is None:
        raise ChainruleError("the model has no parameters yet: fit it, or call it once, first")
    described = serialize_keras_object(model)
    compiled = _compiled(model) if include else None
    _warn_of_own(described, compiled)
    state = b"" if compiled is None else _state(model)
    document = {
        "format": FORMAT,
        "model": described,
        "input_shape": list(model.input_shape),
        "compiled": compiled,
        "frozen": frozen_in(model),
        "arrays_sha256": hashlib.sha256(_packed_arrays(model)).hexdigest(),
        "optimizer_sha256": hashlib.sha256(state).hexdigest(),
    }
    setup = model.setup
    model.setup = _core_setup(setup) if include else None
    try:
        save_core(
            model,
            filepath,
            files={ARCHITECTURE: to_json(document), STATE: state},
            overwrite=overwrite,
        )
    finally:
        model.setup = setup


def _packed_arrays(model: Model) -> bytes:
    from safetensors.numpy import save

    return bytes(save({name: np.array(p.numpy()) for name, p in model.parameters().items()}))


def _compiled(model: Model) -> dict[str, Any] | None:
    """Return what a model was compiled with, or warn that a file cannot hold it."""
    try:
        return model.get_compile_config()
    except ArgumentError as error:
        warnings.warn(
            f"the model is saved without what it was compiled with ({error}): compile it again "
            "after load_model",
            stacklevel=4,
        )
        return None


def _state(model: Model) -> bytes:
    """Return the optimizer's state, by the parameters' paths in the model."""
    from safetensors.numpy import save

    paths = {p.name: path for path, p in model.parameters().items()}
    kept: dict[str, Array] = {}
    for key, value in model.optimizer.state().items():
        name, _, slot = key.rpartition("/")
        if not name or name in paths:
            kept[f"{paths[name]}/{slot}" if name else slot] = np.asarray(value)
    return bytes(save(kept))


def _own_objects(described: Any) -> Iterator[str]:
    """Return the names of classes and functions of a user's that JSON values mention."""
    if isinstance(described, Mapping):
        module = str(described.get("module"))
        if described.get("registered_name") is not None and not module.startswith("keras."):
            is_function = described["class_name"] == "function"
            yield str(described["config"] if is_function else described["class_name"])
        for inner in described.values():
            yield from _own_objects(inner)
    elif isinstance(described, list | tuple):
        for inner in described:
            yield from _own_objects(inner)


def _warn_of_own(*described: Any) -> None:
    known = {name.split(">")[-1] for name in get_custom_objects()}
    names = sorted({name for d in described for name in _own_objects(d)} - known)
    if names:
        listed = ", ".join(names)
        pairs = ", ".join(f"{name!r}: {name}" for name in names)
        warnings.warn(
            f"files cannot hold the code of {listed}: load_model will need "
            f"custom_objects={{{pairs}}}, or decorate each with "
            "@keras.saving.register_keras_serializable()",
            stacklevel=4,
        )


def load_model(
    filepath: str | PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Read a model that ``save`` has written, or Chainrule's own ``save``; no code is loaded.

    Args:
        filepath: the directory.
        custom_objects: classes and functions of your own by name, if they are not registered.
        compile: whether to compile it as it was, with the optimizer's state.
        safe_mode: not needed: loading never runs code.

    Raises:
        ArgumentError: a class of one's own that nobody has given.
        FileError: not such a directory, or damaged; a file that Keras itself has written.
    """
    directory = Path(filepath)
    if directory.is_file():
        raise file_error(
            directory,
            "a file, such as Keras itself writes",
            "the directory of a model that chainrule has saved",
            "Build the model here, and give it theirs: model.set_weights(theirs.get_weights()).",
        )
    document = loading.read_document(directory)
    ours = _read_architecture(directory, document)
    with custom_object_scope(custom_objects):
        if ours is None:
            return _load_core(directory, compile)
        return _rebuild(directory, ours, compile)


def _read_architecture(directory: Path, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return keras.json, if it belongs to the model that is there now."""
    file = directory / ARCHITECTURE
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_bytes())
        belongs = found["arrays_sha256"] == document["arrays"]["sha256"]
    except loading.DAMAGE as error:
        raise file_error(file, f"a damaged file ({error})", "the JSON that was saved") from error
    if found["format"] > FORMAT:
        raise file_error(
            file,
            f"format {found['format']}, written by a newer Chainrule",
            f"format {FORMAT} or older",
            "Update: pip install --upgrade chainrule",
        )
    return found if belongs else None


def _rebuild(directory: Path, ours: Mapping[str, Any], compile: bool) -> Any:
    state = default_generator.state.value
    try:
        model = deserialize_keras_object(ours["model"])
        model.make_parameters(ours["input_shape"])
    except loading.DAMAGE as error:
        if isinstance(error, ArgumentError):
            raise
        raise file_error(
            directory / ARCHITECTURE, f"a damaged document ({error})", "the document that was saved"
        ) from error
    finally:
        default_generator.state.assign(state)  # what is drawn here gives way to what was saved
    _assign(model, _read(directory / ARRAYS, ours["arrays_sha256"]), directory / ARRAYS)
    freeze(model, ours["frozen"])
    if compile and ours["compiled"] is not None:
        model.compile_from_config(ours["compiled"])
        slots = _read(directory / STATE, ours["optimizer_sha256"])
        model.optimizer.load_state(slots, model.parameters())
    return model


def _load_core(directory: Path, compile: bool) -> Any:
    """Read a model that Chainrule's own ``save`` has written, as Keras's."""
    found = loading.load_model(directory)
    if not isinstance(found, core.Sequential):
        raise ChainruleError(f"{directory} holds a {type(found).__name__}, not a Sequential")
    model = keras_model(found)
    if compile and found.setup is not None:
        setup = found.setup
        made = [[m() for m in makers] for makers in (setup.metrics, setup.weighted_metrics)]
        model.compile(
            keras_optimizer(setup.optimizer),
            losses.of_core(setup.loss),
            metrics=[_keras_metric(m) for m in made[0]],
            weighted_metrics=[_keras_metric(m) for m in made[1]],
        )
        assert model.setup is not None
        model.setup.l2 = setup.l2
    return model


def _keras_metric(metric: Any) -> Any:
    return metrics.get(metric.name) if metric.name in metrics.NAMES else metric


def _core_setup(setup: Compiled | None) -> Compiled | None:
    """Return what a model was compiled with as Chainrule's own, which its files can name."""
    if setup is None:
        return None
    loss = setup.loss
    own: Any = loss.loss.core if isinstance(loss, losses.Bound) else loss
    if own is not None and isinstance(loss, losses.Bound) and loss.loss.reduction == "sum":
        own = None  # Chainrule's own losses have no sum
    return replace(
        setup,
        loss=loss if own is None else own,
        optimizer=optimizers.core_of(setup.optimizer),
        metrics=[metrics.core_of(make()).fresh for make in setup.metrics],
        weighted_metrics=[metrics.core_of(make()).fresh for make in setup.weighted_metrics],
    )


# Parameters alone -----------------------------------------------------------------------------


def save_weights(model: Model, filepath: str | PathLike[str], overwrite: bool = True) -> None:
    """Write a model's parameters into a file, in the safetensors format.

    Raises:
        FileError: the file cannot be written, or is there.
    """
    path = Path(filepath)
    if not model.parameters():
        raise ChainruleError("the model has no parameters yet: fit it, or call it once, first")
    if path.exists() and not overwrite:
        raise file_error(path, "a file that is there already", "a new file", "overwrite=True")
    atomic_write(path, _packed_arrays(model))


def load_weights(model: Model, filepath: str | PathLike[str], skip_mismatch: bool = False) -> None:
    """Read a model's parameters from a file that ``save_weights`` has written, or a saved model.

    Raises:
        ArgumentError: parameters of another shape, or others.
        FileError: not such a file.
    """
    path = Path(filepath)
    path = path / ARRAYS if (path / DOCUMENT).is_file() else path
    if not path.is_file():
        raise missing_file(path)
    if not model.parameters():
        raise ChainruleError(
            "the model has no parameters yet: build((None, features)), or call it once, first"
        )
    _assign(model, _read(path), path, skip_mismatch)


def _read(file: Path, sha256: str | None = None) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = file.read_bytes()
    except OSError as error:
        raise file_error(file, f"no readable file ({error.strerror})", "arrays") from error
    if data[:4] in (b"\x89HDF", b"PK\x03\x04"):
        raise file_error(
            file,
            "a file in a format of Keras's own",
            "one that save_weights of chainrule.keras has written",
            "Give the model theirs: model.set_weights(theirs.get_weights()).",
        )
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise file_error(
            file,
            f"{len(data):,} bytes that are not those that were saved",
            f"the arrays that belong to {ARCHITECTURE}",
            "The file is truncated or damaged, or comes from another model; copy all files again.",
        )
    try:
        return dict(load(data)) if data else {}
    except (SafetensorError, KeyError) as error:
        raise file_error(file, f"a damaged file ({error})", "the arrays that were saved") from error


def _assign(
    model: Model, arrays: Mapping[str, Array], file: Path, skip_mismatch: bool = False
) -> None:
    parameters = model.parameters()
    fits = {
        name: name in arrays and arrays[name].shape == p.shape for name, p in parameters.items()
    }
    if not skip_mismatch and (not all(fits.values()) or len(arrays) != len(parameters)):
        wrong = next((name for name, fit in fits.items() if not fit), "")
        if wrong in arrays:
            came = f"{wrong} of shape {arrays[wrong].shape}"
            expected = f"shape {parameters[wrong].shape}"
        else:
            came = f"{len(arrays)} arrays: {', '.join(arrays)}"
            expected = f"the model's {len(parameters)}: {', '.join(parameters)}"
        raise FileError(f"{file}: got {came}; expected {expected}.")
    for name, parameter in parameters.items():
        if fits[name]:
            parameter.assign(arrays[name])
