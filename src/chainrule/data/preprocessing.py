"""From a table to arrays, the way that the training rows showed, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from chainrule.core.errors import ArgumentError, DataError
from chainrule.data.columns import FeatureColumn, fit_column, load_column
from chainrule.data.datasets import Task
from chainrule.data.lazy import pl
from chainrule.data.saved import malformed
from chainrule.data.table import TableLike, as_frame
from chainrule.data.targets import (
    ClassTarget,
    ClassValue,
    NumberTarget,
    Target,
    check_task,
    find_task,
)
from chainrule.data.values import get_column, quoted, take

FORMAT = 1


@final
@dataclass(frozen=True, slots=True)
class Preprocessor:
    """Turns tables into network inputs and targets, and network outputs into values.

    Numbers (and true/false, as 1 and 0) are standardized and limited to ±5 standard deviations,
    text is one-hot encoded, classes are numbered, and a regression target is standardized; all
    with what the training rows showed.

    >>> import numpy as np
    >>> table = {"size": [1.0, 3.0], "color": ["red", "blue"], "price": [10.0, 30.0]}
    >>> pre = Preprocessor.fit(table, "price")
    >>> pre.feature_names
    ('size', 'color=blue', 'color=red')
    >>> pre.transform_features(table).tolist()
    [[-1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    >>> pre.decode(np.array([-1.0, 1.0])).to_list()
    [10.0, 30.0]

    Attributes:
        encoder: encodes and decodes the target column.
        columns: the feature columns, in the order of the inputs.
        notes: what the user should know of the table, one sentence each.
    """

    encoder: Target
    columns: tuple[FeatureColumn, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        frame: TableLike,
        target: str,
        *,
        rows: np.ndarray | Sequence[int] | None = None,
        task: str | None = None,
    ) -> Self:
        """Learn the encoding.

        Args:
            frame: the table.
            target: the column to predict.
            rows: the training rows (0 to n-1; default: all). Nothing but the task is learned
                from other rows.
            task: ``"classification"`` or ``"regression"``; default: what ``find_task`` says of
                the target column.

        Raises:
            ArgumentError: an unknown task, or rows that the table does not have.
            DataError: the table cannot be encoded; names the column, what came, and the fix.
        """
        frame = as_frame(frame)
        values = get_column(frame, target, "target")
        rows = _check_rows(rows, frame.height)
        task = find_task(values) if task is None else check_task(task)
        encoder: Target = (
            ClassTarget.fit(take(values, rows), rows)
            if task == "classification"
            else NumberTarget.fit(take(values, rows), rows)
        )
        columns: list[FeatureColumn] = []
        notes: dict[str, list[str]] = {}
        # Not frame.drop(target): polars reads the names "*" and "^...$" as patterns.
        for series in (s for s in frame if s.name != target):
            column, note = fit_column(series, rows)
            columns += [column] if column else []
            if note:
                said = note.removeprefix(f"column {series.name!r} ")
                notes.setdefault(said, []).append(series.name)
        sentences = tuple(_say(note, names) for note, names in notes.items())
        if not columns:
            left_out = f" ({'; '.join(sentences)})" if sentences else ""
            raise DataError(
                "features",
                f"no feature column beside {target!r}{left_out}",
                "at least one column to predict from",
            )
        return cls(encoder, tuple(columns), sentences)

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "classification" if isinstance(self.encoder, ClassTarget) else "regression"

    @property
    def target(self) -> str:
        """Name of the column to predict."""
        return self.encoder.name

    @property
    def classes(self) -> tuple[ClassValue, ...]:
        """The classes' own values, in the order of the labels; empty for regression."""
        return self.encoder.classes if isinstance(self.encoder, ClassTarget) else ()

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.classes)

    @property
    def n_outputs(self) -> int:
        """Units of the network's last layer: one for each class, or 1."""
        return self.n_classes or 1

    @property
    def input_columns(self) -> tuple[str, ...]:
        """The columns that a table must have to be predicted from."""
        return tuple(column.name for column in self.columns)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each input of the network: ``age``, ``color=red``."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def n_features(self) -> int:
        """Number of inputs of the network."""
        return len(self.feature_names)

    def transform_features(self, frame: TableLike) -> np.ndarray:
        """Encode the feature columns; their order does not matter, and others are ignored.

        Args:
            frame: a table with all ``input_columns``.

        Returns:
            float32 (n, n_features), C-contiguous.

        Raises:
            DataError: a column is missing, or holds what cannot be encoded.

        Warns:
            UnseenCategoryWarning: a text column holds values that training did not see.
        """
        frame = _with_rows(as_frame(frame))
        inputs = np.empty((frame.height, self.n_features), dtype=np.float32)
        start = 0
        for column in self.columns:
            stop = start + len(column.feature_names)
            inputs[:, start:stop] = column.encode(get_column(frame, column.name, "feature"))
            start = stop
        return inputs

    def transform_target(self, frame: TableLike) -> np.ndarray:
        """Encode the target column.

        Args:
            frame: a table with the column ``target``.

        Returns:
            Labels, int64 (n,), for classification; standardized values, float32 (n, 1), for
            regression.

        Raises:
            DataError: the column is missing, or holds a value that cannot be encoded.
        """
        frame = _with_rows(as_frame(frame))
        return self.encoder.encode(get_column(frame, self.target, "target"))

    def decode(self, outputs: np.ndarray) -> pl.Series:
        """Turn predictions into values of the target column.

        Args:
            outputs: class indices (n,) for classification; standardized predictions, (n,) or
                (n, 1), for regression.

        Returns:
            A series named like the target: the classes' own values, or numbers in the
            column's own unit.

        Raises:
            ArgumentError: outputs of another shape or type, or an index that is no class.
        """
        return self.encoder.decode(outputs)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as a dict that JSON holds exactly; ``from_dict`` takes it back."""
        return {
            "format": FORMAT,
            "target": self.encoder.to_dict(),
            "columns": [column.to_dict() for column in self.columns],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Take back what ``to_dict`` gave.

        Raises:
            DataError: it is malformed, or a newer version of Chainrule wrote it.
        """
        if not isinstance(saved, Mapping):
            raise malformed(f"a {type(saved).__name__}", "a dict")
        if saved.get("format") != FORMAT:
            raise DataError(
                "preprocessing",
                f"format {saved.get('format')!r}",
                f"format {FORMAT}",
                "If a newer Chainrule saved it, update this one.",
            )
        target, columns, notes = (saved.get(key) for key in ("target", "columns", "notes"))
        if not isinstance(target, Mapping):
            raise malformed(f"target = {target!r}", "a dict")
        if not isinstance(columns, list) or not columns:
            raise malformed(f"columns = {columns!r}", "a list of dicts")
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise malformed(f"notes = {notes!r}", "a list of text")
        encoder = _TARGETS.get(str(target.get("task")))
        if encoder is None:
            raise malformed(f"task = {target.get('task')!r}", f"one of {', '.join(_TARGETS)}")
        loaded = cls(
            encoder.from_dict(target), tuple(load_column(c) for c in columns), tuple(notes)
        )
        names = (loaded.target, *loaded.input_columns)
        if len(set(names)) != len(names):
            raise malformed(f"the columns {quoted(names)}", "each column once")
        return loaded


_TARGETS: dict[str, type[ClassTarget] | type[NumberTarget]] = {
    "classification": ClassTarget,
    "regression": NumberTarget,
}


def _say(note: str, names: Sequence[str]) -> str:
    """Say once what is true of several columns."""
    first, *others = names
    likewise = f" (likewise {quoted(others)})" if others else ""
    return f"column {first!r} {note}{likewise}"


def _check_rows(rows: np.ndarray | Sequence[int] | None, n: int) -> np.ndarray:
    if n == 0:
        raise _no_rows()
    if rows is None:
        return np.arange(n)
    rows = np.asarray(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.size == 0:
        came = f"an array of shape {rows.shape} and dtype {rows.dtype}"
        raise ArgumentError("rows", came, "row numbers of shape (n,), at least one")
    if rows.min() < 0 or rows.max() >= n:
        came = f"row numbers from {rows.min()} to {rows.max()}"
        raise ArgumentError("rows", came, f"0 to {n - 1}, the rows of the table")
    return rows.astype(np.int64)


def _no_rows() -> DataError:
    return DataError("frame", "a table without rows", "at least one row")


def _with_rows(frame: pl.DataFrame) -> pl.DataFrame:
    if frame.height == 0:
        raise _no_rows()
    return frame
