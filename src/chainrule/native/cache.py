"""Object code on disk: what one process has compiled the next one only loads.

An entry is a file named after its key: a header (magic, format, key, length, SHA-256) and the code.
Whatever is wrong with an entry, it is taken for missing and replaced; whatever is wrong with the
folder, nothing is kept and the computation goes on. Entries are written under another name and
renamed, so processes may race; those used longest ago are removed when the cache is full.

An object file is code, so entries count only if this user alone can write them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chainrule.version import __version__

#: Number of the layout of an entry and of what is in it; raise it when either changes.
FORMAT = 1
#: Bytes kept unless ``CHAINRULE_CACHE_SIZE`` says otherwise.
DEFAULT_LIMIT = 256 << 20
#: An entry above this is taken for a mistake, whatever the limit is.
LARGEST = 64 << 20

_MAGIC = b"\x89CRcode\n"  # the first byte is no text, and a changed line end shows
_HEADER = struct.Struct("<8sI32sQ32s")
_ENTRY = re.compile(r"[0-9a-f]{64}\.code")
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
#: Age in seconds at which a temporary file was surely left by a process that died.
_ABANDONED = 3600
#: A full cache is emptied to this share of its limit, so that not every entry evicts another.
_KEPT = 0.9


# Where and how much -------------------------------------------------------------------------------


def is_on() -> bool:
    """Whether code is cached: not if ``CHAINRULE_CACHE`` is ``0``."""
    asked = os.environ.get("CHAINRULE_CACHE", "")
    return asked.strip().casefold() not in ("0", "off", "no", "false")


def folder() -> Path | None:
    """Return where entries are kept, or ``None`` if this user has no such place.

    ``CHAINRULE_CACHE_DIR``, else the system's folder for caches: ``$XDG_CACHE_HOME`` or
    ``~/.cache``; ``~/Library/Caches`` on macOS; ``%LOCALAPPDATA%`` on Windows.
    """
    given = os.environ.get("CHAINRULE_CACHE_DIR")
    try:
        if given:
            return Path(given).expanduser().absolute() / "native"
        return _system_folder() / "chainrule" / "native"
    except (RuntimeError, OSError):  # no home, or the current folder is gone
        return None


def _system_folder() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"  # as XDG's text has it


def limit() -> int:
    """Return how many bytes may be kept; a size that cannot be read counts as none given."""
    found = _bytes(os.environ.get("CHAINRULE_CACHE_SIZE", ""))
    return DEFAULT_LIMIT if found is None else found


def _bytes(text: str) -> int | None:
    """Return a size in bytes: ``64M``, ``64 MB`` and ``64MiB`` all count in powers of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().casefold())
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " ")) if match else None


# Keys ---------------------------------------------------------------------------------------------


def key_of(*parts: str) -> str:
    """Return the digest of all that code follows from.

    >>> key_of("a", "bc") == key_of("ab", "c")
    False
    """
    digest = hashlib.sha256(f"format {FORMAT}".encode())
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


@functools.cache
def fingerprint() -> str:
    """Return what tells this state of Chainrule from others: version, and age of its sources.

    Code that is keyed by what its text follows from, instead of by the text, also follows from
    the modules that make the text.
    """
    states = sorted(_sources(str(Path(__file__).parents[1])))
    return f"{__version__} {hashlib.sha256(repr(states).encode()).hexdigest()}"


def _sources(folder: str) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of each source file; `os.scandir` takes half of a walk's time."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                state = entry.stat()
                yield entry.path, state.st_size, state.st_mtime_ns
            elif "." not in entry.name and entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)


# Entries ------------------------------------------------------------------------------------------


def load(key: str) -> bytes | None:
    """Return the code of a key, or ``None`` where the cache has none that can be trusted."""
    place = folder() if is_on() else None
    if place is None:
        return None
    path = place / f"{key}.code"
    code = None
    with contextlib.suppress(OSError):
        code = _unpacked(_read(path), key)
    with contextlib.suppress(OSError):
        if code is not None:
            os.utime(path)  # used now: the order in which entries are removed
            _count(place / "hits")
    return code


def store(key: str, code: bytes) -> bool:
    """Keep the code of a key, and remove other entries if the cache is full.

    Returns:
        Whether it was kept; nothing is raised where it cannot be.
    """
    place = folder() if is_on() else None
    size = _HEADER.size + len(code)
    if place is None or size > min(limit(), LARGEST):
        return False
    try:
        _make(place)
        _write(place / f"{key}.code", _packed(key, code))
        _count(place / "misses")
        _shrink(place)
    except OSError:
        return False
    return True


def discard(key: str) -> None:
    """Remove an entry, if it is there."""
    place = folder()
    if place is not None:
        with contextlib.suppress(OSError):
            (place / f"{key}.code").unlink()


def clear() -> tuple[int, int]:
    """Remove all entries, and the counts of hits and misses.

    Returns:
        How many entries were removed, and their bytes.
    """
    place = folder()
    if place is None:
        return 0, 0
    removed = size = 0
    for entry in _files(place):
        with contextlib.suppress(OSError):
            Path(entry.path).unlink()
            if _ENTRY.fullmatch(entry.name):
                removed += 1
                size += entry.size
    return removed, size


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the cache.

    Attributes:
        folder: where it is, or ``None`` where this user has no place.
        entries: number of entries.
        size: bytes of all entries.
        limit: bytes that may be kept.
        hits: how often code was found, in all processes since the cache was cleared.
        misses: how often it was not, and was kept then.
        notes: what keeps the cache from working, as sentences.
    """

    folder: Path | None
    entries: int
    size: int
    limit: int
    hits: int
    misses: int
    notes: tuple[str, ...]


def status() -> Status:
    """Return the state of the cache; nothing is written."""
    place = folder()
    files = [] if place is None else _files(place)
    entries = [file for file in files if _ENTRY.fullmatch(file.name)]
    counts = {file.name: file.size for file in files}
    return Status(
        folder=place,
        entries=len(entries),
        size=sum(entry.size for entry in entries),
        limit=limit(),
        hits=counts.get("hits", 0),
        misses=counts.get("misses", 0),
        notes=tuple(_notes(place)),
    )


def _notes(place: Path | None) -> Iterator[str]:
    if not is_on():
        yield f"The cache is off: CHAINRULE_CACHE={os.environ['CHAINRULE_CACHE']}."
    asked = os.environ.get("CHAINRULE_CACHE_SIZE", "")
    if asked and _bytes(asked) is None:
        yield f"CHAINRULE_CACHE_SIZE={asked} is no size; 256M would be one."
    if place is None:
        yield "There is no home folder: set CHAINRULE_CACHE_DIR to keep code."
        return
    with_ids = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    try:
        if place.is_dir():
            if not _is_own(place.stat()):  # an own one is made writable
                yield "The folder belongs to another user: nothing is kept."
            return
        nearest = next(p for p in (place, *place.parents) if p.exists())
        if not nearest.is_dir():
            yield f"{nearest} is no folder: nothing is kept."
        elif not os.access(nearest, os.W_OK | os.X_OK, **with_ids):
            yield f"The folder cannot be made in {nearest}: nothing is kept."
    except OSError as error:
        yield f"{place} cannot be read ({error.strerror}): nothing is kept."


# Files --------------------------------------------------------------------------------------------


def _packed(key: str, code: bytes) -> bytes:
    digest = hashlib.sha256(code).digest()
    return _HEADER.pack(_MAGIC, FORMAT, bytes.fromhex(key), len(code), digest) + code


def _unpacked(data: bytes, key: str) -> bytes | None:
    """Return the code of an entry, if the entry is whole and of this key and format."""
    if len(data) < _HEADER.size:
        return None
    *head, digest = _HEADER.unpack_from(data)
    code = data[_HEADER.size :]
    if head != [_MAGIC, FORMAT, bytes.fromhex(key), len(code)]:
        return None
    return code if hashlib.sha256(code).digest() == digest else None


def _is_own(state: os.stat_result) -> bool:
    """Whether a file belongs to this user (on POSIX; Windows guards the folder)."""
    return os.name != "posix" or state.st_uid == os.geteuid()


def _read(path: Path) -> bytes:
    """Return the bytes of a regular file that only this user can write, else none."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    # Not blocking: a pipe in the place of an entry must not halt the process.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        is_shared = os.name == "posix" and state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not stat.S_ISREG(state.st_mode) or not _is_own(state) or is_shared:
            return b""
        return file.read() if state.st_size <= LARGEST else b""


def _make(place: Path) -> None:
    """Make the folder, if need be, for this user alone."""
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
    state = place.stat()
    if not _is_own(state):
        raise PermissionError(f"{place} belongs to another user")
    if os.name == "posix" and stat.S_IMODE(state.st_mode) != 0o700:
        place.chmod(0o700)


def _write(path: Path, data: bytes) -> None:
    """Put a file in its place whole; what a power cut leaves of it is found by its digest."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:  # Ctrl-C must not leave the temporary file either
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _count(path: Path) -> None:
    """Count by the length of a file: appending a byte needs no lock between processes."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, b".")
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the cache as it was when the folder was read."""

    path: str
    name: str
    size: int
    used: float


def _files(place: Path) -> list[_File]:
    """Return the files of the cache; others in its folder are left alone."""
    found = []
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            is_ours = _ENTRY.fullmatch(entry.name) or _TEMPORARY.fullmatch(entry.name)
            if is_ours or entry.name in ("hits", "misses"):
                with contextlib.suppress(OSError):  # another process has just removed it
                    if entry.is_file(follow_symlinks=False):
                        state = entry.stat(follow_symlinks=False)
                        found.append(_File(entry.path, entry.name, state.st_size, state.st_mtime))
    return found


def _shrink(place: Path) -> None:
    """Remove the entries used longest ago while the cache is too large, and abandoned files."""
    files = _files(place)
    entries = [file for file in files if _ENTRY.fullmatch(file.name)]
    old = time.time() - _ABANDONED
    gone = [f for f in files if _TEMPORARY.fullmatch(f.name) and f.used < old]
    size = sum(entry.size for entry in entries)
    if size > limit():
        for entry in sorted(entries, key=lambda e: e.used):
            if size <= _KEPT * limit():
                break
            gone.append(entry)
            size -= entry.size
    for file in gone:
        with contextlib.suppress(OSError):
            Path(file.path).unlink()
