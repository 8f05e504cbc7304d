"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chainrule.core.errors import ChainruleError, FileError, nearest


def file_error(path: Path | str, came: str, expected: str, fix: str = "") -> FileError:
    """Word a ``FileError`` like every other error: ``path: got CAME; expected EXPECTED. FIX``."""
    return FileError(f"{path}: got {came}; expected {expected}.{' ' + fix if fix else ''}")


def missing_file(path: Path, *, also: str = "") -> FileError:
    """Say that a file is not there, with the nearest names that are.

    Args:
        path: the file that was asked for.
        also: what else the name could have meant, as a sentence (optional).
    """
    folder = path.parent
    if not folder.is_dir():
        return file_error(path, f"a folder that does not exist ({folder})", "a file", also)
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    except OSError:
        names = []
    hints = [nearest(path.name, names), also]
    if not any(hints):
        hints = [f"Look for it from the folder that relative paths start at: {Path.cwd()}"]
    return file_error(path, "no file of that name", "a file", " ".join(h for h in hints if h))


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader finds the old file or the new one, whole.

    Args:
        path: where to write; its folder must exist.
        data: the file's bytes.

    Raises:
        FileError: the file cannot be written. The old file, if any, is untouched then, and no
            temporary file is left.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that takes its place at ``path`` only when the block ends well.

    The bytes go to a temporary file in the same folder (a rename is atomic only inside one file
    system), are forced to the disk, and are then renamed over ``path``.

    Raises:
        FileError: the file cannot be written. An exception of the block passes through. Either
            way the old file is untouched, and no temporary file is left.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))  # write through a symbolic link, do not replace it
    if target.is_dir():
        raise file_error(path, "a folder", "the name of a file to write", "Add a file name.")
    if not target.parent.is_dir():
        raise file_error(
            path,
            f"a folder that does not exist ({target.parent})",
            "an existing folder",
            "Create the folder first.",
        )
    temporary = target.with_name(f".chainrule-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):  # a replaced file keeps its permissions
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
        _sync_folder(target.parent)
    except BaseException as error:  # Ctrl-C must not leave the temporary file either
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, ChainruleError):
            came = f"an error while writing ({error.strerror or error})"
            raise file_error(
                path, came, "a place that can be written", "Check permissions and free space."
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to the disk; only POSIX systems open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
