from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.cli.cache import in_bytes
from chainrule.native import cache, jit


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CHAINRULE_CACHE", "CHAINRULE_CACHE_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "native"


def test_shows_the_cache(command, folder: Path) -> None:
    assert command("cache") == (
        0,
        f"folder   {folder}\n"
        "entries  0\n"
        "size     0 bytes of 256 MiB\n"
        "hits     0 (and 0 modules compiled)\n",
        "",
    )
    assert not folder.exists()


def test_counts_what_is_compiled_and_found(command) -> None:
    for _ in range(3):
        jit.compile_module("define void @f() { ret void }")
    _, out, _ = command("cache")
    size = in_bytes(cache.status().size)
    assert out.splitlines()[1:] == [
        "entries  1",
        f"size     {size} of 256 MiB",
        "hits     2 (and 1 module compiled)",
    ]


def test_clears(command) -> None:
    cache.store(cache.key_of("a"), b"x" * 2000)
    cache.store(cache.key_of("b"), b"x" * 1000)
    assert command("cache", "--clear") == (0, "2 entries removed, 3.1 KiB\n", "")
    assert command("cache", "--clear") == (0, "0 entries removed, 0 bytes\n", "")
    assert cache.status().entries == 0


def test_says_what_keeps_it_from_working(command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "0")
    monkeypatch.setattr(jit, "_load", lambda: (None, "llvmlite cannot be imported ([x])."))
    status, out, err = command("cache")
    assert (status, err) == (0, "")
    assert out.splitlines()[4:] == [
        "The cache is off: CHAINRULE_CACHE=0.",
        "No native code: llvmlite cannot be imported ([x]).",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *[(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB")],
        *[(1 << 20, "1 MiB"), ((1 << 20) - 1, "1 MiB"), (256 << 20, "256 MiB")],
        *[(5 << 40, "5 TiB"), (5 << 50, "5120 TiB")],
    ],
)
def test_bytes_in_words(count: int, text: str) -> None:
    assert in_bytes(count) == text
