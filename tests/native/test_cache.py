"""Compiled code on disk: never wrong, never in the way, never too much."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chainrule.native import cache

KEY, OTHER = cache.key_of("a"), cache.key_of("b")
CODE = bytes(range(256)) * 8
HEADER = cache._HEADER.size
posix = pytest.mark.skipif(os.name != "posix", reason="asks for owners and modes of files")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache for each test."""
    for name in ("CHAINRULE_CACHE", "CHAINRULE_CACHE_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "native"


def entry(folder: Path, key: str = KEY) -> Path:
    return folder / f"{key}.code"


def others(folder: Path) -> list[str]:
    """Names of what is neither an entry nor a count."""
    names = {file.name for file in folder.iterdir()} - {"hits", "misses"}
    return sorted(name for name in names if not name.endswith(".code"))


# Entries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [CODE, b"", b"\0", b"\r\n\x1a"])
def test_what_is_stored_is_loaded(folder: Path, code: bytes) -> None:
    assert cache.load(KEY) is None
    assert not folder.exists()  # looking makes nothing
    assert cache.store(KEY, code)
    assert cache.load(KEY) == code
    assert cache.load(OTHER) is None
    assert others(folder) == []


def test_storing_again_replaces() -> None:
    cache.store(KEY, b"old, and longer")
    cache.store(KEY, b"new")
    assert cache.load(KEY) == b"new"


@posix
def test_only_the_user_can_read_and_write(folder: Path) -> None:
    mask = os.umask(0)
    try:
        cache.store(KEY, CODE)
        cache.load(KEY)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    folder.chmod(0o755)
    cache.store(OTHER, CODE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("place", [*range(HEADER), HEADER, HEADER + 1000, HEADER + len(CODE) - 1])
def test_an_entry_with_one_wrong_bit_is_not_loaded(folder: Path, place: int, bit: int) -> None:
    cache.store(KEY, CODE)
    data = bytearray(entry(folder).read_bytes())
    data[place] ^= 1 << bit
    entry(folder).write_bytes(data)
    assert cache.load(KEY) is None
    assert cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE


@pytest.mark.parametrize("length", [0, 1, 8, HEADER - 1, HEADER, HEADER + 1, HEADER + 2047])
def test_a_truncated_entry_is_not_loaded(folder: Path, length: int) -> None:
    cache.store(KEY, CODE)
    entry(folder).write_bytes(entry(folder).read_bytes()[:length])
    assert cache.load(KEY) is None


def test_an_entry_that_is_too_long_or_anothers_is_not_loaded(folder: Path) -> None:
    cache.store(KEY, CODE)
    data = entry(folder).read_bytes()
    entry(folder).write_bytes(data + b"\0")
    assert cache.load(KEY) is None
    entry(folder).write_bytes(data)
    entry(folder).rename(entry(folder, OTHER))
    assert cache.load(OTHER) is None
    for foreign in (b"\x7fELF" + CODE, CODE, b"text\n" * 100):
        entry(folder).write_bytes(foreign)
        assert cache.load(KEY) is None


def test_an_entry_of_another_format_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, CODE)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    assert cache.load(KEY) is None
    assert cache.key_of("a") != KEY


def test_oversized_entries_are_neither_read_nor_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(KEY, CODE)
    monkeypatch.setattr(cache, "LARGEST", len(CODE))
    assert cache.load(KEY) is None
    assert not cache.store(OTHER, CODE)
    assert not entry(folder, OTHER).exists()


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_can_write_is_not_loaded(folder: Path, mode: int) -> None:
    cache.store(KEY, CODE)
    entry(folder).chmod(mode)
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE


@posix
def test_an_entry_or_folder_of_another_user_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(KEY, CODE)
    before = os.geteuid()
    monkeypatch.setattr(cache.os, "geteuid", lambda: before + 1)
    assert cache.load(KEY) is None
    assert not cache.store(OTHER, CODE)
    assert cache.status().notes == ("The folder belongs to another user: nothing is kept.",)
    monkeypatch.undo()
    assert not entry(folder, OTHER).exists()


@posix
def test_links_pipes_and_folders_in_the_place_of_an_entry(folder: Path, tmp_path: Path) -> None:
    cache.store(KEY, CODE)
    elsewhere = tmp_path / "elsewhere"
    entry(folder).rename(elsewhere)
    entry(folder).symlink_to(elsewhere)
    assert cache.load(KEY) is None
    entry(folder).unlink()
    os.mkfifo(entry(folder), 0o600)
    assert cache.load(KEY) is None  # and does not wait for a writer
    assert cache.store(KEY, CODE)  # replaces the pipe
    assert cache.load(KEY) == CODE
    entry(folder).unlink()
    entry(folder).mkdir()
    assert cache.load(KEY) is None
    assert not cache.store(KEY, CODE)
    assert others(folder) == []


def test_discard(folder: Path) -> None:
    cache.store(KEY, CODE)
    cache.discard(KEY)
    cache.discard(OTHER)
    assert cache.load(KEY) is None
    assert not entry(folder).exists()


# Keys ---------------------------------------------------------------------------------------------


def test_keys_differ_with_each_part_and_are_the_same_again() -> None:
    parts = ("text", "triple", "cpu", "features")
    keys = {cache.key_of(*parts)}
    for i in range(len(parts)):
        keys.add(cache.key_of(*(p + "x" * (i == j) for j, p in enumerate(parts))))
    keys |= {cache.key_of(*parts, ""), cache.key_of("texttriple", "", "cpu", "features")}
    assert len(keys) == len(parts) + 3
    assert cache.key_of(*parts) in keys
    assert all(cache._ENTRY.fullmatch(f"{key}.code") for key in keys)


def test_the_fingerprint_follows_the_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    (package / "native").mkdir(parents=True)
    source = package / "ops.py"
    source.write_text("x = 1\n")
    monkeypatch.setattr(cache, "__file__", str(package / "native" / "cache.py"))
    make = cache.fingerprint.__wrapped__
    first = make()
    assert make() == first
    (package / "notes.txt").write_text("no source")
    assert make() == first
    source.write_text("x = 10\n")
    assert make() != first


# Where and how much -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "HOME/.cache/chainrule/native"),
        ("linux", {"XDG_CACHE_HOME": "HOME/xdg"}, "HOME/xdg/chainrule/native"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "HOME/.cache/chainrule/native"),
        ("darwin", {"XDG_CACHE_HOME": "HOME/xdg"}, "HOME/Library/Caches/chainrule/native"),
        ("win32", {"LOCALAPPDATA": "HOME/Local"}, "HOME/Local/chainrule/native"),
        ("win32", {}, "HOME/AppData/Local/chainrule/native"),
        ("linux", {"CHAINRULE_CACHE_DIR": "~/mine"}, "HOME/mine/native"),
        ("linux", {"CHAINRULE_CACHE_DIR": "HOME/mine"}, "HOME/mine/native"),
    ],
)
def test_the_folder_of_each_system(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    platform: str,
    environment: dict[str, str],
    expected: str,
) -> None:
    home = str(tmp_path / "home")
    for name in ("CHAINRULE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("HOME", home))
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("USERPROFILE", home)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.folder() == Path(expected.replace("HOME", home))


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("CHAINRULE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache.folder() is None
    assert not cache.store(KEY, CODE)
    assert cache.load(KEY) is None
    assert cache.clear() == (0, 0)
    cache.discard(KEY)
    (note,) = cache.status().notes
    assert note.startswith("There is no home folder: set CHAINRULE_CACHE_DIR")


@pytest.mark.parametrize("word", ["0", "off", "No", "FALSE", " 0 "])
def test_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    cache.store(KEY, CODE)
    monkeypatch.setenv("CHAINRULE_CACHE", word)
    assert cache.load(KEY) is None
    assert not cache.store(OTHER, CODE)
    assert not entry(folder, OTHER).exists()
    assert cache.status().notes == (f"The cache is off: CHAINRULE_CACHE={word}.",)
    monkeypatch.setenv("CHAINRULE_CACHE", "1")
    assert cache.load(KEY) == CODE


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *[("0", 0), ("1000", 1000), ("64M", 64 << 20), ("1.5 GiB", 3 << 29), ("2kb", 2048)],
        *[(" 7 ", 7), ("1T", 1 << 40)],
        *[("", 256 << 20), ("much", 256 << 20), ("-1", 256 << 20), ("1e9", 256 << 20)],
    ],
)
def test_sizes_in_words(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", text)
    assert cache.limit() == size
    is_wrong = text in ("much", "-1", "1e9")
    assert cache.status().notes == (
        (f"CHAINRULE_CACHE_SIZE={text} is no size; 256M would be one.",) if is_wrong else ()
    )


def test_the_entries_used_longest_ago_go_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = HEADER + len(CODE)
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", str(4 * size))
    keys = [cache.key_of(str(i)) for i in range(6)]
    for age, key in enumerate(keys[:4]):
        cache.store(key, CODE)
        os.utime(entry(folder, key), (0, 1000 + age))
    assert cache.load(keys[0]) == CODE  # used again: now the youngest
    cache.store(keys[4], CODE)  # five are too many: down to 3.6, so two go
    assert [entry(folder, key).exists() for key in keys] == [True, False, False, True, True, False]
    assert cache.status().size == 3 * size
    assert cache.status().size <= cache.limit()


def test_an_entry_above_the_limit_evicts_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(KEY, CODE)
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", str(2 * len(CODE)))
    assert not cache.store(OTHER, CODE * 3)
    assert cache.load(KEY) == CODE


def test_abandoned_temporary_files_go_and_others_stay(folder: Path) -> None:
    cache.store(KEY, CODE)
    old, new = folder / f".{'0' * 16}.tmp", folder / f".{'1' * 16}.tmp"
    mine = folder / "notes.txt"
    for file in (old, new, mine):
        file.write_bytes(b"x")
        os.utime(file, (0, 0))
    os.utime(new)
    cache.store(OTHER, CODE)
    assert others(folder) == [new.name, "notes.txt"]
    assert cache.clear()[0] == 2
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]


def test_status_and_clear(folder: Path) -> None:
    empty = cache.status()
    assert (empty.folder, empty.entries, empty.size, empty.hits) == (folder, 0, 0, 0)
    assert (empty.limit, empty.notes) == (256 << 20, ())
    cache.store(KEY, CODE)
    cache.store(OTHER, b"")
    for key in (KEY, KEY, OTHER, cache.key_of("absent")):
        cache.load(key)
    full = cache.status()
    size = 2 * HEADER + len(CODE)
    assert (full.entries, full.size, full.hits, full.misses) == (2, size, 3, 2)
    assert cache.clear() == (2, size)
    assert cache.clear() == (0, 0)
    assert cache.status() == empty


# Folders that are wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["cache", "cache/native"])
def test_a_file_in_the_place_of_the_folder(tmp_path: Path, part: str) -> None:
    path = tmp_path / part
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    assert not cache.store(KEY, CODE)
    assert cache.load(KEY) is None
    assert cache.clear() == (0, 0)
    assert cache.status().notes == (f"{path} is no folder: nothing is kept.",)


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Act as an ordinary user, since root may write anywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@posix
@pytest.mark.parametrize(
    ("mode", "note"),
    [
        (0o555, "The folder cannot be made in FOLDER: nothing is kept."),
        (0o000, "FOLDER/cache/native cannot be read (Permission denied): nothing is kept."),
    ],
)
def test_a_folder_without_the_right_to_write(
    monkeypatch: pytest.MonkeyPatch, mode: int, note: str
) -> None:
    with tempfile.TemporaryDirectory() as name:  # where another user may look, unlike tmp_path
        monkeypatch.setenv("CHAINRULE_CACHE_DIR", f"{name}/cache")
        Path(name).chmod(mode)
        try:
            with without_rights():
                assert not cache.store(KEY, CODE)
                assert cache.load(KEY) is None
                assert cache.clear() == (0, 0)
                assert cache.status().notes == (note.replace("FOLDER", name),)
        finally:
            Path(name).chmod(0o700)
        assert list(Path(name).iterdir()) == []


@posix
def test_an_own_folder_that_is_not_writable_is_made_so(folder: Path) -> None:
    cache.store(KEY, CODE)
    folder.chmod(0o500)
    assert cache.store(OTHER, CODE)
    assert cache.load(KEY) == CODE
    assert cache.load(OTHER) == CODE


@pytest.mark.parametrize("function", ["open", "write", "replace", "scandir", "utime", "mkdir"])
def test_an_error_of_the_system_is_no_error_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        owner = Path if function in ("replace", "mkdir") else cache.os
        patch.setattr(owner, function, fail)
        cache.store(KEY, CODE)
        cache.load(KEY)
        cache.status()
    assert not folder.exists() or others(folder) == []
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE


def test_ctrl_c_leaves_no_temporary_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(OTHER, CODE)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cache.store(KEY, CODE)
    assert others(folder) == []
    assert cache.load(KEY) is None


# Races --------------------------------------------------------------------------------------------


def code_of(i: int) -> bytes:
    """The one right code of a key: long, and different everywhere."""
    return np.random.default_rng(i).bytes(20_000)


def race(folder: str, seed: int, limit: int, seconds: float) -> int:
    """Store, load, evict and clear at random; return how many loads found code."""
    os.environ |= {"CHAINRULE_CACHE_DIR": folder, "CHAINRULE_CACHE_SIZE": str(limit)}
    os.environ.pop("CHAINRULE_CACHE", None)
    draw, found, end = np.random.default_rng(seed), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        i = draw.integers(8)
        key = cache.key_of(str(i))
        code = cache.load(key)
        if code is not None:
            found += 1
            if code != code_of(i):
                raise AssertionError(f"wrong code of {i}")
        else:
            cache.store(key, code_of(i))
        if draw.random() < 0.02:
            cache.discard(key)
        if draw.random() < 0.002:
            cache.clear()
    return found


@pytest.mark.parametrize("limit", [1 << 20, 100_000])
def test_processes_race_without_harm(tmp_path: Path, folder: Path, limit: int) -> None:
    place = str(tmp_path / "cache")
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        found = pool.starmap(race, [(place, seed, limit, 0.5) for seed in range(4)])
    assert min(found) > 20  # each of them was served
    assert others(folder) == []
    for i in range(8):
        assert cache.load(cache.key_of(str(i))) in (None, code_of(i))


def test_hits_of_all_processes_count(tmp_path: Path) -> None:
    cache.store(KEY, CODE)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        pool.starmap(load_often, [(str(tmp_path / "cache"), KEY, 50)] * 2)
    assert cache.status().hits == 100


def load_often(folder: str, key: str, times: int) -> None:
    os.environ["CHAINRULE_CACHE_DIR"] = folder
    for _ in range(times):
        assert cache.load(key) == CODE


def test_threads_race_without_harm(tmp_path: Path) -> None:
    found = []

    def work(seed: int) -> None:
        draw = np.random.default_rng(seed)
        for _ in range(60):
            i = draw.integers(3)
            code = cache.load(cache.key_of(str(i)))
            if code is None:
                cache.store(cache.key_of(str(i)), code_of(i))
            else:
                found.append(code == code_of(i))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) > 100
    assert all(found)
