"""The pictures of docs/graphs.md are those that the program draws now."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "graphs.md").read_text()
NEW = "Run python docs/graph_pictures.py, look at the pictures, and mend the captions"


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = spec_from_file_location("graph_pictures", DOCS / "graph_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_current(drawing: ModuleType) -> None:
    drawn = drawing.pictures()
    files = {path.stem: path.read_text() for path in (DOCS / "graphs").glob("*.svg")}
    assert set(files) == set(drawn)
    for name, svg in drawn.items():
        assert files[name] == svg + "\n", f"docs/graphs/{name}.svg: {NEW}"


def test_pictures_hold_no_folders_of_this_machine() -> None:
    for path in (DOCS / "graphs").glob("*.svg"):
        text = path.read_text()
        assert str(DOCS.parent) not in text, path.name
        assert not re.search(r"[\w.-]+/[\w./-]*\.py\b", text), path.name


def test_captions_tell_the_counts(drawing: ModuleType) -> None:
    traced = drawing.network()
    optimized = traced.optimize()
    kernels = optimized.to_svg(kernels=True).count('class="frame kernel')
    naive = drawing.naive()
    captions = " ".join(PAGE.split())
    for words in (
        f"{len(traced.nodes)} operations as traced",
        f"{len(optimized.nodes)} after optimization",
        f"{kernels} kernels",
        f"the {len(naive.nodes)} operations as written",
        f"{len(naive.optimize().nodes)} after `optimize()`",
    ):
        assert words in captions, f"{words}: {NEW}"


def test_pictures_have_the_widths_that_the_page_gives_them() -> None:
    shown = re.findall(r'<img src="graphs/(\w+)\.svg" width="(\d+)"', PAGE)
    assert len(shown) > 2
    for name, width in shown:
        found = re.search(r' width="(\d+)"', (DOCS / "graphs" / f"{name}.svg").read_text())
        assert found
        assert found[1] == width, f"{name}.svg: {NEW}"


def test_every_picture_is_on_the_page() -> None:
    names = set(re.findall(r"graphs/(\w+)\.svg", PAGE))
    assert names == {path.stem for path in (DOCS / "graphs").glob("*.svg")}


def test_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/graphs.md", "exec"), names)  # noqa: S102 - the page's own
    assert (tmp_path / "graph.svg").read_text().startswith("<svg")
