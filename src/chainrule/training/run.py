"""A run: a network fitted to a table, with all that is needed to use it on other tables."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from chainrule.core.errors import ArgumentError, DataError, nearest
from chainrule.core.types import Array
from chainrule.data.files import file_error
from chainrule.data.preprocessing import Preprocessor
from chainrule.data.splits import Split, fingerprint, split_rows
from chainrule.data.targets import check_task, find_task
from chainrule.data.values import check_present, get_column
from chainrule.metrics import R2, Accuracy, MeanAbsoluteError, MeanSquaredError, Metric
from chainrule.nn.activations import activation
from chainrule.nn.layers import Dense
from chainrule.ops import random
from chainrule.ops.softmax import softmax
from chainrule.optim import OPTIMIZERS, Optimizer
from chainrule.optim.optimizer import checked
from chainrule.training.arrays import check_count
from chainrule.training.callbacks import Callback, EarlyStopping, History
from chainrule.training.loading import DAMAGE, load_model, read_document
from chainrule.training.model import Model
from chainrule.training.saving import DOCUMENT, save_model
from chainrule.training.sequential import Sequential

if TYPE_CHECKING:
    import polars as pl

HISTORY = "history.jsonl"

#: Which rows of the table that a run was trained on.
Rows: TypeAlias = Literal["all", "train", "validation", "held-out"]


@dataclass(frozen=True)
class Settings:
    """How a network is fitted to a table.

    Attributes:
        hidden: number of neurons of each hidden layer.
        activation: activation of the hidden layers.
        optimizer: name of the optimizer.
        learning_rate: α (default: the optimizer's own).
        l2: λ of the penalty ½ λ ‖W‖²_F.
        epochs: at most so many.
        batch_size: samples an update.
        test: share of the rows to hold out; no decision looks at them.
        validation: share of the other rows that tell when to stop.
        patience: epochs to wait for a lower validation loss before stopping.
        seed: of the split, the initial weights and the shuffling.
        task: ``"classification"`` or ``"regression"`` (default: by the target column).
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    optimizer: str = "adam"
    learning_rate: float | None = None
    l2: float = 1e-3
    epochs: int = 100
    batch_size: int = 32
    test: float = 0.2
    validation: float = 0.2
    patience: int = 10
    seed: int = 0
    task: str | None = None

    def __post_init__(self) -> None:
        for name in ("test", "validation"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise ArgumentError(name, f"{share:g}", "a share of the rows, from 0 up to 1")
        check_count("epochs", self.epochs)
        check_count("batch_size", self.batch_size)
        check_count("patience", self.patience, least=0)
        checked("l2", self.l2)
        random.Generator(self.seed)
        for units in self.hidden:
            check_count("hidden", units)
        activation(self.activation)
        if self.task is not None:
            check_task(self.task)
        self.make_optimizer()

    def make_optimizer(self) -> Optimizer:
        """Return the optimizer, new."""
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            hint = nearest(self.optimizer, OPTIMIZERS)
            raise ArgumentError("optimizer", repr(self.optimizer), f"one of {known}", hint)
        kind = OPTIMIZERS[self.optimizer]
        return kind() if self.learning_rate is None else kind(self.learning_rate)

    @property
    def fractions(self) -> dict[str, float]:
        """Shares of all rows, for ``split_rows``."""
        return {"test": self.test, "validation": (1.0 - self.test) * self.validation}


@dataclass
class Run:
    """A network fitted to a table.

    ``Run.prepare`` looks at the table and makes the network; ``fit`` trains it; ``save`` and
    ``Run.load`` keep it; ``predict`` and ``score`` use it on tables.

    Attributes:
        model: the network.
        preprocessor: from tables to arrays, and back.
        settings: how it was fitted.
        data: name, number of rows and fingerprint of the table.
        history: losses and metrics epoch by epoch.
        facts: what came out: rows of each part, epochs, seconds, scores.

    >>> import chainrule as cr
    >>> from chainrule.data import load_dataset
    >>> table = load_dataset("xor").frame
    >>> run = Run.prepare(table, "label", Settings(epochs=30))
    >>> run.fit(table)
    >>> run.score(table, "held-out")["accuracy"] > 0.9
    True
    """

    model: Model
    preprocessor: Preprocessor
    settings: Settings
    data: dict[str, Any]
    history: History = field(default_factory=History)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, frame: pl.DataFrame, target: str, settings: Settings | None = None, name: str = ""
    ) -> Run:
        """Look at the table, fit the preprocessing to its training rows, and make the network.

        Args:
            frame: the table.
            target: the column to predict.
            settings: how to fit.
            name: what to call the table.

        Raises:
            DataError: the table cannot be used; names the column, what came, and the fix.
            ArgumentError: a setting does not fit.
        """
        settings = settings or Settings()
        values = get_column(frame, target, "target")
        check_present(values, f"target column {target!r}")
        task = find_task(values) if settings.task is None else check_task(settings.task)
        settings = dataclasses.replace(settings, task=task)
        split = _split(frame, target, settings)
        preprocessor = Preprocessor.fit(frame, target, rows=split.train, task=task)
        random.seed(settings.seed)
        hidden = [Dense(units, activation=settings.activation) for units in settings.hidden]
        model = Sequential([*hidden, Dense(preprocessor.n_outputs)])
        model.make_parameters((preprocessor.n_features,))
        classifies = task == "classification"
        model.compile(
            settings.make_optimizer(),
            "cross_entropy" if classifies else "squared_error",
            ["accuracy" if classifies else "r2"],
            l2=settings.l2,
        )
        data = {"name": name, "rows": frame.height, "fingerprint": fingerprint(frame)}
        run = cls(model, preprocessor, settings, data)
        run.facts["rows"] = {
            "train": len(split.train),
            "validation": len(split.validation),
            "held-out": len(split.test),
        }
        return run

    def fit(self, frame: pl.DataFrame, callbacks: Sequence[Callback] = ()) -> None:
        """Train until the validation loss no longer falls, and keep the best weights.

        Args:
            frame: the table that the run was prepared with.
            callbacks: what else happens between epochs, such as ``Progress()``.

        Raises:
            ArgumentError: the table is another one.
            KeyboardInterrupt: after Ctrl-C, with the best weights so far restored.
            DivergedError: the loss became NaN or infinite.
        """
        if not self.is_own(frame):
            raise ArgumentError(
                "frame", "another table", "the table that the run was prepared with, unchanged"
            )
        split = _split(frame, self.preprocessor.target, self.settings)
        x = self.preprocessor.transform_features(frame)
        y = self.preprocessor.transform_target(frame)
        validation = (x[split.validation], y[split.validation]) if len(split.validation) else None
        stopping = [EarlyStopping(patience=self.settings.patience)] if validation else []
        started = time.perf_counter()
        self.history = History()
        self.facts["interrupted"] = False
        try:
            self.model.fit(
                x[split.train],
                y[split.train],
                batch_size=self.settings.batch_size,
                epochs=self.settings.epochs,
                verbose=0,
                validation_data=validation,
                callbacks=[self.history, *stopping, *callbacks],
            )
        except KeyboardInterrupt:
            self.facts["interrupted"] = True
            raise
        finally:
            self.facts["seconds"] = time.perf_counter() - started
            self.facts["epochs"] = len(self.history.epoch)
            if stopping and self.history.epoch:
                self.facts["best_epoch"] = stopping[0].best_epoch + 1
            if len(split.test):
                with np.errstate(over="ignore", invalid="ignore"):  # it may have diverged
                    self.facts["scores"] = self.score(frame, "held-out")
                self.facts["baseline"] = self.baseline(frame)

    def rows(self, frame: pl.DataFrame, which: Rows) -> Array:
        """Return the numbers of some rows of the table that the run was trained on.

        Raises:
            ArgumentError: the table is another one, or has no such rows.
        """
        if which not in get_args(Rows):
            known = ", ".join(map(repr, get_args(Rows)))
            raise ArgumentError(
                "rows", repr(which), f"one of {known}", nearest(which, get_args(Rows))
            )
        if which == "all":
            return np.arange(frame.height)
        if not self.is_own(frame):
            raise ArgumentError(
                "rows",
                f"{which!r} of a table that the run was not trained on",
                "the table that it was trained on, unchanged",
                "For another table use all rows.",
            )
        split = _split(frame, self.preprocessor.target, self.settings)
        part = {"train": split.train, "validation": split.validation, "held-out": split.test}
        return part[which]

    def is_own(self, frame: pl.DataFrame) -> bool:
        """Whether this is the table that the run was trained on."""
        return bool(
            self.preprocessor.target in frame.columns
            and frame.height == self.data["rows"]
            and fingerprint(frame) == self.data["fingerprint"]
        )

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Predict the target for each row of a table.

        Args:
            frame: a table with the feature columns; others are ignored.

        Returns:
            A table: ``prediction``, and for classes the ``probability`` of the one predicted.

        Raises:
            DataError: a column is missing, or holds what cannot be encoded.
        """
        import polars

        outputs = self.model.predict(self.preprocessor.transform_features(frame))
        if not self.preprocessor.classes:
            return polars.DataFrame({"prediction": self.preprocessor.decode(outputs)})
        labels = outputs.argmax(axis=1)
        chances = softmax(outputs).numpy()[np.arange(len(labels)), labels]
        return polars.DataFrame(
            {"prediction": self.preprocessor.decode(labels), "probability": chances}
        )

    def score(self, frame: pl.DataFrame, which: Rows = "all") -> dict[str, float]:
        """Measure the predictions against the target column.

        Args:
            frame: a table with the feature columns and the target.
            which: which of its rows.

        Returns:
            For classes the accuracy; for numbers R², and the mean absolute and root mean squared
            error in the target's own unit.

        Raises:
            DataError: a column is missing, or holds what cannot be encoded.
        """
        part = frame[self.rows(frame, which)]
        outputs = self.model.predict(self.preprocessor.transform_features(part))
        return self._measure(part, outputs)

    def baseline(self, frame: pl.DataFrame) -> dict[str, float]:
        """Measure what needs no network: always the most frequent class, or the mean.

        The class and the mean are those of the training rows; they are measured on the held-out
        rows.
        """
        train = self.preprocessor.transform_target(frame[self.rows(frame, "train")])
        part = frame[self.rows(frame, "held-out")]
        if self.preprocessor.classes:
            counts = np.bincount(train, minlength=self.preprocessor.n_classes)
            outputs = np.tile(counts.astype(np.float32), (part.height, 1))
        else:
            outputs = np.zeros((part.height, 1), np.float32)  # the mean, standardized
        return self._measure(part, outputs)

    def _measure(self, part: pl.DataFrame, outputs: Array) -> dict[str, float]:
        if self.preprocessor.classes:
            accuracy = Accuracy()
            accuracy.update(self.preprocessor.transform_target(part), outputs)
            return {"accuracy": accuracy.result()}
        observed = part[self.preprocessor.target].cast(float).to_numpy()
        predicted = self.preprocessor.decode(outputs).to_numpy()
        metrics: list[Metric] = [R2(), MeanAbsoluteError(), MeanSquaredError()]
        for metric in metrics:
            metric.update(observed, predicted)
        r2, mae, mse = (metric.result() for metric in metrics)
        return {"r2": r2, "mae": mae, "rmse": float(np.sqrt(mse))}

    def save(
        self,
        path: str | PathLike[str],
        files: Mapping[str, bytes] | None = None,
        overwrite: bool = True,
    ) -> Path:
        """Write the run directory: model.safetensors, model.json, history.jsonl, and ``files``.

        Args:
            path: the directory; it is made.
            files: further files by name, such as a report.
            overwrite: whether to replace a run that is there.

        Raises:
            FileError: the directory cannot be written. Nothing is written then.
        """
        document = {
            "settings": dataclasses.asdict(self.settings),
            "preprocessing": self.preprocessor.to_dict(),
            "data": self.data,
            "facts": _finite(self.facts),
        }
        lines = [json.dumps(_finite(row)) + "\n" for row in self.history.rows()]
        written = {HISTORY: "".join(lines).encode(), **(files or {})}
        return save_model(self.model, path, run=document, files=written, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Run:
        """Read a run from its directory; no code is loaded.

        Raises:
            FileError: no such directory, not a run's, damaged or truncated, or from a newer
                version.
        """
        document = read_document(path)
        model = load_model(path)
        file = Path(path) / DOCUMENT
        run = document.get("run")
        if run is None:
            raise file_error(
                file,
                "a model without its preprocessing",
                "a run, as `chainrule fit` writes it",
                "Load it in Python with cr.load(path).",
            )
        try:
            settings = {**run["settings"], "hidden": tuple(run["settings"]["hidden"])}
            loaded = cls(
                model,
                Preprocessor.from_dict(run["preprocessing"]),
                Settings(**settings),
                {**run["data"]},
                facts=run["facts"],
            )
            loaded._check()
        except DAMAGE as error:
            raise file_error(file, f"a damaged document ({error})", "the one saved") from error
        loaded.history = _read_history(Path(path) / HISTORY)
        return loaded

    def _check(self) -> None:
        """Refuse parts that do not belong together."""
        pre = self.preprocessor
        outputs = self.model.predict(np.zeros((0, pre.n_features))).shape[1:]
        if outputs != (pre.n_outputs,) or self.settings.task != pre.task:
            raise DataError(
                "preprocessing",
                f"{pre.task} with {pre.n_outputs} outputs",
                f"{self.settings.task} with {outputs[0]}, as the network",
            )
        check_count("rows", self.data["rows"])
        for part in ("train", "validation", "held-out"):
            check_count(part, self.facts["rows"][part], least=0)
        if not isinstance(self.data["fingerprint"], str) or not isinstance(self.data["name"], str):
            raise DataError("data", str(self.data), "text for the name and the fingerprint")


def _split(frame: pl.DataFrame, target: str, settings: Settings) -> Split:
    """Split the rows; the same table and settings always give the same split."""
    values = get_column(frame, target, "target")
    classes = values.cast(str).to_numpy() if settings.task == "classification" else None
    return split_rows(
        frame.height, fractions=settings.fractions, seed=settings.seed, stratify=classes
    )


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _read_history(file: Path) -> History:
    history = History()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        for line in lines:
            row = json.loads(line)
            epoch = check_count("epoch", row.pop("epoch"), least=0)
            # Null stands for NaN and infinity, as in ``_finite``.
            history.on_epoch_end(
                epoch, {key: float("nan" if v is None else v) for key, v in row.items()}
            )
        history.rows()  # every row has the same quantities
    except FileNotFoundError:
        return history  # a run is usable without it
    except (OSError, RecursionError, *DAMAGE) as error:
        raise file_error(file, f"a damaged file ({error})", "the history that was saved") from error
    return history
