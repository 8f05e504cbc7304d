"""Models in files: model.safetensors holds the arrays, model.json all the rest. No code is loaded.

Both files are written under temporary names and then renamed, model.json last; it holds the hash
of the arrays, so that files that do not belong together are noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.errors import ChainruleError
from chainrule.data.files import atomic_file, file_error
from chainrule.losses import loss_to_config
from chainrule.metrics import metric_to_config
from chainrule.nn.module import Module
from chainrule.optim import OPTIMIZERS
from chainrule.version import __version__

if TYPE_CHECKING:
    from chainrule.training.model import Compiled, Model

#: Version of the format of model.json; raised when an older Chainrule could not read it.
FORMAT = 1
ARRAYS = "model.safetensors"
DOCUMENT = "model.json"


def save_model(
    model: Model,
    path: str | PathLike[str],
    *,
    run: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
    overwrite: bool = True,
) -> Path:
    """Write a model into a directory, all files or none.

    Args:
        model: the model; its parameters must be made.
        path: the directory; it is made. A directory that holds other things is refused.
        run: how the model came to be, as JSON values (preprocessing, scores, settings).
        files: further files to write beside the model's, by name.
        overwrite: whether to replace a model that is there.

    Returns:
        The directory.

    Raises:
        ArgumentError: the model cannot be described in a file.
        FileError: the directory cannot be written.
    """
    from safetensors.numpy import save

    directory = Path(path)
    if model.input_shape is None:
        raise ChainruleError("the model has no parameters yet: fit it, or call it once, first")
    arrays = save({name: np.array(p.numpy()) for name, p in model.parameters().items()})
    document = {
        "format": FORMAT,
        "chainrule": __version__,
        "model": model.config(),
        "frozen": frozen_in(model),
        "compiled": None if model.setup is None else _describe(model.setup),
        "arrays": {"file": ARRAYS, "sha256": hashlib.sha256(arrays).hexdigest()},
        "run": run,
    }
    check_directory(directory, overwrite)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(
            directory, f"an error while making it ({error.strerror})", "a place that can be written"
        ) from error
    # Opened first, renamed last: the document is what makes the directory a model.
    contents = {DOCUMENT: to_json(document), ARRAYS: arrays, **(files or {})}
    with ExitStack() as stack:
        for name, data in contents.items():
            file = stack.enter_context(atomic_file(directory / name))
            file.write(data)
            file.flush()  # a full disk must show before the first of them is renamed
    return directory


def to_json(document: Any) -> bytes:
    """Return a document as readable JSON; NaN and infinity, which JSON lacks, are refused."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    return (text + "\n").encode()


def _plain(value: Any) -> Any:
    """Return NumPy's numbers, which settings may hold, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def check_directory(directory: Path, overwrite: bool = True) -> None:
    """Raise ``FileError`` if a model must not be written into the directory.

    A directory that is not empty and holds no model is somebody's; it is never written into.
    """
    if directory.exists() and not directory.is_dir():
        raise file_error(directory, "a file", "a directory", "Choose another name.")
    if not directory.is_dir():
        return
    if (directory / DOCUMENT).exists():
        if not overwrite:
            raise file_error(
                directory,
                "a model that is there already",
                "a new directory",
                "Choose another name, or replace it: --overwrite, or overwrite=True.",
            )
    elif any(directory.iterdir()):
        raise file_error(
            directory,
            "a directory that holds other files",
            "a new or empty directory, or a model's",
        )


def frozen_in(model: Module) -> dict[str, list[str]]:
    """Return what training leaves: the paths of frozen modules, and of the parameters.

    >>> import chainrule as cr
    >>> model = cr.Sequential([cr.Dense(3), cr.BatchNorm()])
    >>> model.make_parameters((2,))
    >>> model.layers[0].trainable = False
    >>> frozen_in(model)["modules"], len(frozen_in(model)["parameters"])
    (['layers.0'], 4)
    """
    return {
        "modules": [path for path, module in model.modules().items() if not module.trainable],
        "parameters": [path for path, p in model.parameters().items() if not p.trainable],
    }


def freeze(model: Module, frozen: Mapping[str, Sequence[str]]) -> None:
    """Freeze what ``frozen_in`` has returned.

    Args:
        model: the model; its parameters are made.
        frozen: the paths.

    Raises:
        KeyError: a path that is not there.
    """
    modules, parameters = model.modules(), model.parameters()
    for path in (*frozen["modules"], *frozen["parameters"]):
        if path not in modules and path not in parameters:
            raise KeyError(path)
    for path, module in modules.items():  # outer ones come first
        module.trainable = path not in frozen["modules"]
    for path, parameter in parameters.items():
        if parameter.trainable != (path not in frozen["parameters"]):
            parameter.trainable = not parameter.trainable


def _describe(setup: Compiled) -> dict[str, Any] | None:
    """Return what a model was compiled with, as JSON values, or ``None`` if it is code."""
    loss = loss_to_config(setup.loss)
    metrics = [metric_to_config(make) for make in setup.metrics]
    weighted = [metric_to_config(make) for make in setup.weighted_metrics]
    by_optimizer: dict[Any, str] = {kind: name for name, kind in OPTIMIZERS.items()}
    schedule = setup.optimizer.schedule
    if (
        loss is None
        or any(metric is None for metric in [*metrics, *weighted])
        or type(setup.optimizer) not in by_optimizer
        or (schedule is not None and not schedule.is_named)
    ):
        return None
    return {
        "loss": loss,
        "metrics": metrics,
        **({"weighted_metrics": weighted} if weighted else {}),
        "l2": setup.l2,
        "optimizer": {"name": by_optimizer[type(setup.optimizer)], **setup.optimizer.config()},
    }
