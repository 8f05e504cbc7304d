"""Tables from wherever they are: files, data frames, dicts, built-in data sets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, runtime_checkable

from chainrule.core.errors import (
    ArgumentError,
    ChainruleError,
    DataError,
    DtypeError,
    MissingDependencyError,
    nearest,
)
from chainrule.data.datasets import DATASETS, load_dataset
from chainrule.data.delimited import read_delimited
from chainrule.data.files import atomic_file, file_error, missing_file
from chainrule.data.lazy import pl


@runtime_checkable
class ArrowTable(Protocol):
    """A table that speaks Arrow's C stream: pandas, pyarrow, polars, DuckDB, ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the table (the Arrow PyCapsule interface)."""


TableLike: TypeAlias = "pl.DataFrame | pl.LazyFrame | Mapping[str, Any] | ArrowTable"

TEXT_SEPARATORS = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t"}
ARROW_EXTENSIONS = (".arrow", ".feather", ".ipc")
READABLE = (*TEXT_SEPARATORS, ".parquet", *ARROW_EXTENSIONS)
WRITABLE = (".csv", ".tsv", ".parquet", *ARROW_EXTENSIONS)


def read_table(source: str | Path | TableLike) -> pl.DataFrame:
    """Read a table.

    Args:
        source: a path (``.csv``, ``.tsv``, either with ``.gz``, ``.parquet``, ``.arrow``,
            ``.feather``, ``.ipc``); the name of a built-in data set (write ``./name`` for a file
            of the same name); or a polars, pandas or pyarrow table, or a dict of columns.

    Raises:
        FileError: the file is missing, of an unknown kind, or unreadable.
        DataError: what was read is not a table with rows and named columns.
        DtypeError: ``source`` is none of these.
    """
    if isinstance(source, str) and source in DATASETS:
        return load_dataset(source).frame
    if isinstance(source, str | Path):
        return _read_file(source)
    return as_frame(source)


def as_frame(table: TableLike) -> pl.DataFrame:
    """Turn a table in memory into a polars ``DataFrame``.

    Raises:
        DataError: columns of different lengths, or a name that occurs twice.
        DtypeError: not a table.
    """
    if isinstance(table, pl.DataFrame):
        return table
    kind = f"{type(table).__module__}.{type(table).__qualname__}".removeprefix("builtins.")
    # Whoever holds a pandas frame has imported pandas already.
    pandas = sys.modules.get("pandas")
    try:
        if isinstance(table, pl.LazyFrame):
            return table.collect()
        if isinstance(table, Mapping):
            # Not strict: [1, 2.5] is a column of floats.
            return pl.DataFrame({str(k): v for k, v in table.items()}, strict=False)
        if pandas is not None and isinstance(table, pandas.DataFrame):
            return pl.from_pandas(table)
        if isinstance(table, ArrowTable):
            return pl.DataFrame(table)
    except ImportError as error:
        raise MissingDependencyError(
            f"Reading a {kind} needs a package that is not installed ({error}). "
            "Install it: pip install pyarrow"
        ) from error
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        message = str(error).strip().split("\n")[0]
        raise DataError(
            "source",
            f"a {kind} that is not a table ({message})",
            "columns of one length, each of one type and with a name of its own",
        ) from error
    raise DtypeError(
        "source",
        f"a {kind}",
        "a polars, pandas or pyarrow table, or a dict of columns",
        "Read a file with read_table(path).",
    )


def extension(path: Path) -> str:
    """The part of a name that tells the format, in lower case: ``.parquet``, ``.csv.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    return "".join(suffixes) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def _read_file(source: str | Path) -> pl.DataFrame:
    path = Path(source).expanduser()
    try:
        kind = _check_file(path, source)
        if kind in TEXT_SEPARATORS:
            return read_delimited(path, TEXT_SEPARATORS[kind])
        frame = _read_columnar(path, kind)
    except OSError as error:
        if isinstance(error, ChainruleError):
            raise
        came = f"a file that cannot be read ({error.strerror or error})"
        raise file_error(path, came, "a readable one", "Check its name and permissions.") from error
    if frame.width == 0 or frame.height == 0:
        came = f"{frame.width} columns and {frame.height} rows"
        raise DataError(str(path), came, "at least one of each")
    return frame


def _check_file(path: Path, source: str | Path) -> str:
    """Say why a path is no table, or give its extension."""
    if path.is_dir():
        raise file_error(path, "a folder", "a file", "Name the file inside it.")
    if not path.exists():
        if "://" in str(source):
            raise file_error(source, "a web address", "a file", "Download it first.")
        also = nearest(path.name, DATASETS) if path.name == str(source) else ""
        raise missing_file(path, also=also.replace("you mean", "you mean the built-in data set"))
    kind = extension(path)
    if kind not in READABLE:
        came = f"a file of unknown kind ({kind or 'no extension'})"
        raise file_error(path, came, f"one of {', '.join(READABLE)}", "Save it as CSV.")
    return kind


def _read_columnar(path: Path, kind: str) -> pl.DataFrame:
    """Read Parquet or Arrow; polars's many errors, and its panics, all mean a damaged file."""
    readers: tuple[Callable[[bytes], pl.DataFrame], ...]
    if kind == ".parquet":
        name, readers = "Parquet", (pl.read_parquet,)
    else:
        name, readers = "Arrow (IPC or Feather 2)", (pl.read_ipc, pl.read_ipc_stream)
    data = path.read_bytes()
    problems: list[BaseException] = []
    for reader in readers:
        try:
            return reader(data)
        except (Exception, pl.exceptions.PanicException) as error:
            problems.append(error)
    message = str(problems[0]).strip().split("\n")[0] if data else "it is empty"
    raise file_error(
        path,
        f"a file that is not {name} or is damaged ({message})",
        f"a whole {name} file",
        "Write it again, or give it the extension of its real format.",
    ) from problems[0]


def write_table(frame: TableLike, path: str | Path) -> None:
    """Write a table, whole or not at all; the extension tells the format.

    Args:
        frame: the table.
        path: ``.csv``, ``.tsv``, ``.parquet``, ``.arrow``, ``.feather`` or ``.ipc``.

    Raises:
        ArgumentError: another extension.
        DataError: the format cannot hold a column (lists in a CSV file).
        FileError: the file cannot be written; an old file is untouched then.
    """
    table, path = as_frame(frame), Path(path).expanduser()
    kind = extension(path)
    if kind not in WRITABLE:
        came = f"{str(path)!r}, of unknown kind ({kind or 'no extension'})"
        raise ArgumentError("path", came, f"a name that ends in one of {', '.join(WRITABLE)}")
    with atomic_file(path) as file:
        try:
            _encode(table, file, kind)
        except pl.exceptions.PolarsError as error:
            message = str(error).strip().split("\n")[0]
            raise DataError(
                str(path),
                f"a table that {kind} cannot hold ({message})",
                "columns of numbers, text, true/false or times",
                "Write .parquet instead.",
            ) from error


def _encode(frame: pl.DataFrame, file: BinaryIO, kind: str) -> None:
    if kind in TEXT_SEPARATORS:
        frame.write_csv(file, separator=TEXT_SEPARATORS[kind])
    elif kind == ".parquet":
        frame.write_parquet(file)
    else:
        frame.write_ipc(file)
