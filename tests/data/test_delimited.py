"""CSV and TSV as they come: pandas is the oracle where the file is good, texts where it is not."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from chainrule.core.errors import DataError, FileError
from chainrule.data import read_table, write_table


def read(folder: Path, content: str | bytes, name: str = "t.csv") -> pl.DataFrame:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # types are inferred over the whole file, not over its head
        ("a\n" + "1\n" * 5000 + "2.5\n", {"a": [1.0] * 5000 + [2.5]}),
        ("a\n" + "1\n" * 5000 + "x\n", {"a": ["1"] * 5000 + ["x"]}),
        ("\ufeffa,b\n1,2\n", {"a": [1], "b": [2]}),
        (" a ,\tb\n1,2\n", {"a": [1], "b": [2]}),
        ("a, b, c\n1, 2.5, x\n3, 4.5, y z\n", {"a": [1, 3], "b": [2.5, 4.5], "c": ["x", "y z"]}),
        ("a,b\r\n1,2\r\n\r\n3,4\r\n\r\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\r1,2\r3,4\r", {"a": [1, 3], "b": [2, 4]}),
        ("\n  \na,b\n1,2\n   \n3,4", {"a": [1, 3], "b": [2, 4]}),
        ('a,b\n"x\n\ny",2\n\nz,3\n', {"a": ["x\n\ny", "z"], "b": [2, 3]}),
        ("a\n1\n\n3\n\n", {"a": [1, None, 3]}),
        ("a,b\n+1,.5\n-2,-3.\n", {"a": [1, -2], "b": [0.5, -3.0]}),
        ("a,b\nNA,nan\n1,2.5\n?,\n", {"a": [None, 1, None], "b": [None, 2.5, None]}),
        ("a,b\nNaN,1\n0.5,2\n", {"a": [None, 0.5], "b": [1, 2]}),
        ("a\nNA\nyes\n", {"a": ["NA", "yes"]}),
        ("a,b\nTrue,TRUE\nFalse,NA\n", {"a": [True, False], "b": [True, None]}),
        ('a,b\n"",x\n"y",\n', {"a": ["", "y"], "b": ["x", None]}),
        # the index that pandas and R write is not data; other columns without a name are
        (",a\n0,5\n1,7\n", {"a": [5, 7]}),
        ('"","a"\n"1",5\n"2",7\n', {"a": [5, 7]}),
        (",a\n3,5\n1,7\n", {"column_1": [3, 1], "a": [5, 7]}),
        ("a,,column_2\n3,5,1\n", {"a": [3], "column_2_2": [5], "column_2": [1]}),
        ("a,b,\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
        # other separators than the extension's
        ("a;b\n1;x, y\n2;z\n", {"a": [1, 2], "b": ["x, y", "z"]}),
        ("a;b\n1,5;2\n2;-,5\n", {"a": [1.5, 2.0], "b": [2.0, -0.5]}),
        ("a;b\n1,5;2\nx;3\n", {"a": ["1,5", "x"], "b": [2, 3]}),
        ("a\tb\n1\tx\n", {"a": [1], "b": ["x"]}),
        ("a|b\n1|x\n", {"a": [1], "b": ["x"]}),
        ("name; rank\nx\ny\n", {"name; rank": ["x", "y"]}),
        ("a\nx;y\nz\n", {"a": ["x;y", "z"]}),
        ("a,b\n1;2,3\n1;2,4\n", {"a": ["1;2", "1;2"], "b": [3, 4]}),
        ("a,b\ncafé,2\n".encode("utf-16"), {"a": ["café"], "b": [2]}),
    ],
)
def test_reads(tmp_path: Path, content: str | bytes, expected: dict[str, list[object]]) -> None:
    assert_frame_equal(read(tmp_path, content), pl.DataFrame(expected))


def test_tsv_keeps_rows_of_empty_fields(tmp_path: Path) -> None:
    frame = read(tmp_path, "a\tb\n1\t\n\t\n\t2\n", "t.tsv")
    assert frame.rows() == [(1, None), (None, None), (None, 2)]


@pytest.mark.parametrize(
    ("name", "separator"), [("t.csv.gz", ","), ("t.tsv.gz", "\t"), ("T.CSV", ",")]
)
def test_extensions(tmp_path: Path, name: str, separator: str) -> None:
    content = f"a{separator}b\n1{separator}x\n".encode()
    if name.endswith("gz"):
        content = gzip.compress(content, mtime=0)
    assert read(tmp_path, content, name).rows() == [(1, "x")]


TEXTS = st.text('ab;,"\n\t| é#', max_size=6).map("z".__add__)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            TEXTS,
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | TEXTS,
        ),
        min_size=1,
        max_size=8,
    ),
    writer=st.sampled_from(["chainrule", "pandas", "pandas with index"]),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], writer: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    schema = {"x": pl.Float64, "text": pl.String, "n": pl.Int64, "last": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    if writer == "chainrule":
        write_table(frame, path)
    else:
        frame.to_pandas(use_pyarrow_extension_array=True).to_csv(
            path, index=writer == "pandas with index"
        )
    got = read_table(path)
    assert got["text"].to_list() == frame["text"].to_list()
    assert got["x"].to_list() == frame["x"].to_list()
    assert got["n"].cast(pl.Int64).to_list() == frame["n"].to_list()
    assert got["last"].cast(pl.String).to_list() == frame["last"].to_list()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(max_size=60) | st.text('a1,;\n\r\t" ', max_size=40).map(str.encode))
def test_garbage_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.csv"
    path.write_bytes(content)
    try:
        frame = read_table(path)
    except (FileError, DataError) as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert frame.height > 0


def test_agrees_with_pandas_on_a_real_file(tmp_path: Path) -> None:
    from sklearn.datasets import load_wine

    table = load_wine(as_frame=True).frame
    table["name"] = ['it\'s, a "wine"' if i % 3 else "" for i in range(len(table))]
    text = table.to_csv(index=False)
    oracle = pd.read_csv(io.StringIO(text))
    got = read(tmp_path, text)
    assert got.columns == list(oracle.columns)
    for name in got.columns:
        assert got[name].is_null().to_list() == oracle[name].isna().tolist()
        assert got[name].drop_nulls().to_list() == oracle[name].dropna().tolist()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", DataError, "got an empty file; expected a header line and rows below it"),
        (" \n\n", DataError, "got an empty file"),
        (",\n,\n", DataError, "got no column with a name"),
        (
            "a,b\n",
            DataError,
            "got a header ('a', 'b') and no rows; expected at least one row below",
        ),
        ("a,b,c\n1,2,3\n4,5\n", DataError, "got 2 fields in line 3; expected 3, as in the header"),
        (
            "a,b\n\n1,2,3\n",
            DataError,
            "got 3 fields in line 3; expected 2, as in the header ('a', 'b')",
        ),
        ("a,b\n1\n", DataError, "got 1 field in line 2"),
        ("a;b;c\n1;2\n3;4;5\n6;7;8\n", DataError, "separated by semicolons. Correct that line"),
        ("a,b, a\n1,2,3\n", DataError, "got column names that occur twice ('a'); expected a diff"),
        ('a,b\n1,"2\n3,4\n', FileError, "cannot be parsed"),
        (b"\x00\x01\x02\xff", FileError, "got binary data (a zero byte in line 1)"),
        ("a,b\n1,x\n2,caf\xe9\n".encode("latin1"), FileError, "byte 0xe9 in line 3, which is not"),
        (b"PK\x03\x04...", FileError, "got a ZIP archive or an Excel workbook"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-4], FileError, "got a damaged gzip archive"),
    ],
)
def test_errors(tmp_path: Path, content: str | bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=r"t\.csv: .*" + re.escape(message)):
        read(tmp_path, content)
