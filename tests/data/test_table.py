from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from chainrule.core.errors import ArgumentError, DataError, DtypeError, FileError
from chainrule.data import load_dataset, read_table, table, write_table

FRAME = pl.DataFrame(
    {
        "n": [1, -2, None],
        "x": [0.1 + 0.2, 5e-324, 1.7976931348623157e308],
        "text": ["a, b", 'q"', "é"],
        "truth": [True, False, True],
    }
)
EXTENSIONS = [".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc"]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_round_trip(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"t{extension}"
    write_table(FRAME, path)
    assert_frame_equal(read_table(path), FRAME, check_exact=True)
    assert_frame_equal(read_table(str(path)), FRAME, check_exact=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_pandas_reads_what_is_written(tmp_path: Path) -> None:
    write_table(FRAME, tmp_path / "t.parquet")
    write_table(FRAME, tmp_path / "t.tsv")
    for oracle in (
        pd.read_parquet(tmp_path / "t.parquet"),
        pd.read_csv(tmp_path / "t.tsv", sep="\t"),
    ):
        assert oracle["x"].tolist() == FRAME["x"].to_list()
        assert oracle["text"].tolist() == FRAME["text"].to_list()
        assert oracle["n"].isna().tolist() == [False, False, True]


def test_reads_what_pandas_and_pyarrow_write(tmp_path: Path) -> None:
    FRAME.to_pandas(use_pyarrow_extension_array=True).to_parquet(tmp_path / "t.parquet")
    assert_frame_equal(read_table(tmp_path / "t.parquet"), FRAME)
    stream = tmp_path / "stream.arrow"  # the streaming form of the format
    with (
        pa.OSFile(str(stream), "wb") as sink,
        pa.ipc.new_stream(sink, FRAME.to_arrow().schema) as w,
    ):
        w.write_table(FRAME.to_arrow())
    assert_frame_equal(read_table(stream), FRAME)


@pytest.mark.parametrize(
    "source",
    [
        FRAME,
        FRAME.lazy(),
        FRAME.to_arrow(),
        FRAME.to_arrow().to_batches()[0],
        FRAME.to_dict(as_series=False),
        FRAME.to_dict(as_series=True),
        FRAME.to_pandas(use_pyarrow_extension_array=True),
    ],
    ids=lambda s: f"{type(s).__module__}.{type(s).__name__}",
)
def test_tables_in_memory(source: Any) -> None:
    assert_frame_equal(read_table(source), FRAME)


def test_pandas_in_its_own_types() -> None:
    source = pd.DataFrame(
        {0: [1, 2], "s": ["a", None], "c": pd.Categorical(["u", "v"]), "f": [1.5, float("nan")]},
        index=[7, 9],
    )
    got = read_table(source)
    assert got.columns == ["0", "s", "c", "f"]
    assert got.rows() == [(1, "a", "u", 1.5), (2, None, "v", None)]


def test_dict_of_arrays_and_mixed_numbers() -> None:
    got = read_table({"a": np.arange(2), "b": [1, 2.5]})
    assert got.rows() == [(0, 1.0), (1, 2.5)]


def test_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_frame_equal(read_table("iris"), load_dataset("iris").frame)
    monkeypatch.chdir(tmp_path)
    write_table(FRAME, "iris.csv")
    assert_frame_equal(read_table("iris.csv"), FRAME)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian.csv", "got no file of that name; expected a file. Did you mean 'train.csv'"),
        ("absent/t.csv", "got a folder that does not exist"),
        ("folder.csv", "got a folder; expected a file. Name the file inside it."),
        ("notes.txt", "got a file of unknown kind (.txt); expected one of .csv, .tsv, .csv.gz"),
        ("plain", "got a file of unknown kind (no extension)"),
        ("junk.parquet", "not Parquet or is damaged"),
        ("junk.arrow", "not Arrow (IPC or Feather 2) or is damaged"),
        ("empty.feather", "it is empty"),
        ("half.parquet", "not Parquet or is damaged"),
        ("half.arrow", "not Arrow (IPC or Feather 2) or is damaged"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    for junk in ("train.csv", "notes.txt", "plain"):
        (tmp_path / junk).write_text("a,b\n1,2\n")
    for junk in ("junk.parquet", "junk.arrow"):
        (tmp_path / junk).write_bytes(bytes(range(256)) * 4)
    (tmp_path / "empty.feather").write_bytes(b"")
    for half in ("half.parquet", "half.arrow"):
        write_table(FRAME, tmp_path / half)
        data = (tmp_path / half).read_bytes()
        (tmp_path / half).write_bytes(data[: len(data) // 2])
    with pytest.raises(FileError, match=re.escape(message)) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)


def test_a_panic_of_polars_is_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(_: bytes) -> pl.DataFrame:
        raise pl.exceptions.PanicException("index out of bounds")  # it is no Exception

    write_table(FRAME, tmp_path / "t.parquet")
    monkeypatch.setattr(table.pl, "read_parquet", panic)
    with pytest.raises(FileError, match=r"is damaged \(index out of bounds\)"):
        read_table(tmp_path / "t.parquet")


def test_missing_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="Did you mean the built-in data set 'digits'"):
        read_table("digist")
    with pytest.raises(FileError, match=re.escape(f"relative paths start at: {tmp_path}")):
        read_table("somewhere.csv")
    with pytest.raises(FileError, match=r"got a web address; expected a file\. Download it first"):
        read_table("https://example.org/table.csv")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    write_table(FRAME, tmp_path / "t.csv")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match=r"cannot be read \(Permission denied\).*permissions"):
        read_table(tmp_path / "t.csv")


def test_parquet_without_rows(tmp_path: Path) -> None:
    write_table(FRAME.clear(), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="got 4 columns and 0 rows; expected at least one of each"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ({"a": [1, 2], "b": [1]}, DataError, "source: got a dict that is not a table"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), DataError, "with a name of its own"),
        (pa.table([[1], [2]], names=["a", "a"]), DataError, "with a name of its own"),
        (5, DtypeError, "source: got a int; expected a polars, pandas or pyarrow table"),
        (None, DtypeError, "got a NoneType"),
        ([[1, 2]], DtypeError, "got a list"),
        (np.zeros((2, 2)), DtypeError, "got a numpy.ndarray"),
    ],
)
def test_what_is_no_table(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        read_table(source)


def test_write_refuses_other_formats(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"path: got .*\(\.xlsx\); expected a name that ends"):
        write_table(FRAME, tmp_path / "t.xlsx")
    with pytest.raises(FileError, match="Create the folder first"):
        write_table(FRAME, tmp_path / "absent" / "t.csv")
    with pytest.raises(DataError, match=r"a table that \.csv cannot hold.*Write \.parquet"):
        write_table({"a": [[1], [2]]}, tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_failed_write_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    path = tmp_path / f"t{extension}"
    write_table(FRAME, path)
    before = path.read_bytes()

    def fail(_frame: object, file: Any, _kind: str) -> None:
        file.write(b"half a table")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table, "_encode", fail)
    with pytest.raises(FileError, match="No space left"):
        write_table(FRAME.head(1), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
