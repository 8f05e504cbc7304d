"""Comma-, semicolon- and tab-separated text, read as people and programs really write it.

Polars parses; this module finds the separator, insists on a table (one header, rows of one
length), and settles columns that polars leaves as text although they hold numbers.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from chainrule.core.errors import DataError, FileError
from chainrule.data.files import file_error
from chainrule.data.lazy import pl
from chainrule.data.values import counts_rows, quoted

SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE_CHARACTERS = 65_536
SAMPLE_ROWS = 100
# What stands for a missing number. In a text column these stay what they are: a category.
MISSING = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "?", "-")
DECIMAL_COMMA = r"^[+-]?\d*,?\d+([eE][+-]?\d+)?$"
BLANK_LINES = re.compile(r"\n(?:[ \r]*\n)+")
LEADING_BLANK_LINES = re.compile(r"\A(?:[ \r]*\n)+")


def read_delimited(path: Path, separator: str) -> pl.DataFrame:
    """Read a delimited text file, gzipped or not; types are inferred over the whole file.

    Args:
        path: the file.
        separator: what its extension promises. Where the text clearly uses another of
            ``,`` ``;`` tab ``|``, that one is used.

    Returns:
        The table. Header names lose surrounding blanks. A first column without a name that
        counts the rows (the index that pandas and R write) is left out.

    Raises:
        FileError: not text, not UTF-8, or a damaged archive.
        DataError: empty, no rows, rows of different lengths, repeated column names.
    """
    text = _decode(path, _unzip(path, path.read_bytes()))
    separator = _find_separator(text, separator)
    names = _header(path, text, separator)
    frame = _parse(path, text, separator, names)
    if frame.height == 0:
        raise DataError(
            str(path), f"a header ({quoted(names, 8)}) and no rows", "at least one row below it"
        )
    frame = _named([_settle(column, separator) for column in frame], names)
    if frame.width == 0:
        raise DataError(str(path), "no column with a name", "a header line and rows below it")
    return frame


def _unzip(path: Path, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        came = f"a damaged gzip archive ({error})"
        raise file_error(path, came, "a whole one", "Download or compress it again.") from error


def _decode(path: Path, data: bytes) -> str:
    """Turn bytes into text with lines that end in a line feed."""
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if data.startswith(b"PK\x03\x04"):
        raise file_error(
            path,
            "a ZIP archive or an Excel workbook",
            "delimited text",
            "Unpack it, or save the sheet as CSV.",
        )
    if b"\x00" in data and not utf16:
        line = data.count(b"\n", 0, data.index(b"\x00")) + 1
        came = f"binary data (a zero byte in line {line})"
        raise file_error(path, came, "delimited text", "Check that this is the right file.")
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise file_error(
            path,
            f"byte 0x{data[error.start]:02x} in line {line}, which is not {error.encoding}",
            "text in UTF-8",
            "Save it again as UTF-8 (in Excel: 'CSV UTF-8').",
        ) from error
    if "\n" not in text:
        text = text.replace("\r", "\n")  # line ends of the old Macintosh
    return text


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line that it ends in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for row in reader:
        if len(row) > 1 or (row and row[0].strip()):
            yield reader.line_num, row


def _find_separator(text: str, default: str) -> str:
    """Take the separator that cuts most rows into as many fields as the header, two or more."""
    sample = text[:SAMPLE_CHARACTERS]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = default, (0.0, 0)
    for separator in (default, *(s for s in SEPARATORS if s != default)):
        try:
            rows = list(itertools.islice(_rows(sample, separator), SAMPLE_ROWS))
        except csv.Error:
            continue
        if not rows or len(rows[0][1]) < 2:
            continue
        width = len(rows[0][1])
        share = sum(len(row) == width for _, row in rows) / len(rows)
        # A title with one odd semicolon must not outweigh the extension.
        if (separator == default or share >= 0.5) and (share, width) > best_score:
            best, best_score = separator, (share, width)
    return best


def _header(path: Path, text: str, separator: str) -> list[str]:
    try:
        _, row = next(_rows(text, separator), (0, None))
    except csv.Error as error:
        raise _unreadable(path, str(error), separator) from error
    if row is None:
        raise DataError(str(path), "an empty file", "a header line and rows below it")
    names = [name.strip() for name in row]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise DataError(
            str(path),
            f"column names that occur twice ({quoted(repeated)})",
            "a different name for each column, in the first line",
            "Rename them; if the file has no header line, add one.",
        )
    return names


def _without_blank_lines(text: str) -> str:
    text = LEADING_BLANK_LINES.sub("", text)
    if BLANK_LINES.search(text):
        # Every second piece stands between quotes, where a blank line is part of the value.
        pieces = text.split('"')
        pieces[::2] = [BLANK_LINES.sub("\n", piece) for piece in pieces[::2]]
        text = '"'.join(pieces)
    return re.sub(r"\n[ \r\n]*\Z", "\n", text)


def _parse(path: Path, text: str, separator: str, names: list[str]) -> pl.DataFrame:
    # In a single column a blank line is a missing value.
    lines = _without_blank_lines(text) if len(names) > 1 else text.strip("\r\n") + "\n"
    try:
        frame = pl.read_csv(lines.encode(), separator=separator, infer_schema_length=None)
    except Exception as error:
        _check_widths(path, text, separator, names)
        message = str(error).strip().split("\n")[0]
        raise _unreadable(path, message, separator) from error
    # Polars fills rows that are too short with nulls, so the last column tells of them.
    if frame.width != len(names) or frame.to_series(-1).has_nulls():
        _check_widths(path, text, separator, names)
    if frame.width != len(names):
        raise _unreadable(path, f"{frame.width} columns under {len(names)} names", separator)
    return frame


def _check_widths(path: Path, text: str, separator: str, names: list[str]) -> None:
    """Find the first row that is longer or shorter than the header."""
    try:
        for line, row in _rows(text, separator):
            if len(row) != len(names):
                raise DataError(
                    str(path),
                    f"{len(row)} field{'s' * (len(row) != 1)} in line {line}",
                    f"{len(names)}, as in the header ({quoted(names, 8)}), "
                    f"separated by {SEPARATOR_NAMES[separator]}",
                    "Correct that line; close quotes, and quote values that hold the separator.",
                )
    except csv.Error as error:
        raise _unreadable(path, str(error), separator) from error


def _unreadable(path: Path, message: str, separator: str) -> FileError:
    return file_error(
        path,
        f"text that cannot be parsed ({message})",
        f"rows of values separated by {SEPARATOR_NAMES[separator]}",
        "Look for a quote that is opened and never closed.",
    )


def _settle(column: pl.Series, separator: str) -> pl.Series:
    """Give a column its final type: NaN is missing, and text that holds numbers is numbers."""
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype != pl.String:
        return column
    text = column.str.strip_chars()
    known = text.set(text.is_in(MISSING), None)
    present = known.drop_nulls()
    if present.is_empty():
        return column
    if present.str.to_lowercase().is_in(["true", "false"]).all():
        return known.str.to_lowercase() == "true"
    if separator != "," and present.str.contains(DECIMAL_COMMA).all():
        known = known.str.replace(",", ".", literal=True)
    for dtype in (pl.Int64, pl.Float64):
        numbers = known.cast(dtype, strict=False)
        if numbers.null_count() == known.null_count():
            return numbers
    # "a, b, c": where every value begins with a blank, the blank belongs to the separator.
    return text if column.drop_nulls().str.starts_with(" ").all() else column


def _named(columns: list[pl.Series], names: list[str]) -> pl.DataFrame:
    """Name the columns after the header; leave out unnamed ones that carry nothing."""
    named = []
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        if not name:
            empty = column.null_count() == len(column)  # a separator at the end of every line
            if empty or (i == 0 and counts_rows(column)):
                continue
            name = next(n for n in _free_names(i) if n not in names)  # noqa: PLW2901
        named.append(column.alias(name))
    return pl.DataFrame(named)


def _free_names(i: int) -> Iterator[str]:
    yield f"column_{i + 1}"
    for k in range(2, 1_000_000):
        yield f"column_{i + 1}_{k}"
