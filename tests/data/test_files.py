"""Atomic writes: the old file or the new one, whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chainrule.core.errors import FileError
from chainrule.data import files
from chainrule.data.files import atomic_file, atomic_write


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    atomic_write(path, b"one")
    assert path.read_bytes() == b"one"
    atomic_write(path, b"two, longer")
    assert path.read_bytes() == b"two, longer"
    assert names(tmp_path) == ["model.bin"]


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt])
def test_a_failure_in_the_middle_leaves_the_old_file(
    tmp_path: Path, exception: type[BaseException]
) -> None:
    path = tmp_path / "model.bin"
    atomic_write(path, b"old")

    def write_half() -> None:
        with atomic_file(path) as file:
            file.write(b"new, and it is half")
            file.flush()
            raise exception

    with pytest.raises(exception):
        write_half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.bin"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_an_error_of_the_system_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = tmp_path / "model.bin"
    atomic_write(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if function == "fsync" else Path, function, fail)
    with pytest.raises(
        FileError, match=r"model\.bin: got an error while writing \(No space left.*free space"
    ):
        atomic_write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.bin"]


def test_the_new_bytes_are_on_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        events.append(f"fsync {kind}, {os.fstat(descriptor).st_size if kind == 'file' else '-'}")
        fsync(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        events.append(f"rename in {self.parent == target.parent}")
        return replace(self, target)

    monkeypatch.setattr(files.os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    atomic_write(tmp_path / "a", b"12345")
    assert events == ["fsync file, 5", "rename in True", "fsync folder, -"]


def test_permissions_are_kept_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    plain, secret = tmp_path / "plain", tmp_path / "secret"
    plain.write_bytes(b"")
    atomic_write(tmp_path / "new", b"x")
    assert (tmp_path / "new").stat().st_mode == plain.stat().st_mode
    secret.write_bytes(b"old")
    secret.chmod(0o600)
    atomic_write(secret, b"new")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_folders_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"got a folder; expected the name of a file to write"):
        atomic_write(tmp_path, b"")
    with pytest.raises(FileError, match=r"a folder that does not exist .*Create the folder first"):
        atomic_write(tmp_path / "absent" / "a", b"")
