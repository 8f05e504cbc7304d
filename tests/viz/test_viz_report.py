from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

from chainrule.core.errors import ArgumentError
from chainrule.data import load_dataset
from chainrule.training.loop import DivergedError
from chainrule.training.run import Run, Settings
from chainrule.viz import run_report

TAGS = """
html head meta title style body main header section div p h1 h2 h3 bdi span b i ul li dl dt dd
table thead tbody tr th td caption figure figcaption details summary pre footer
svg g line polyline circle rect text
"""
ATTRIBUTES = """
lang charset http-equiv content name class style title role aria-label aria-hidden tabindex scope
xmlns viewbox width height font-family font-size x y x1 y1 x2 y2 cx cy r points fill fill-opacity
stroke stroke-opacity stroke-width stroke-dasharray stroke-linejoin stroke-linecap text-anchor
data-series
"""
VOID = {"meta"}


class Checker(HTMLParser):
    """What a browser would see: known elements and attributes only, all closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS.split(), tag
        for name, value in attrs:
            assert name in ATTRIBUTES.split(), (tag, name)
            if name == "style":
                assert re.fullmatch(r"--(tint|share):[0-9.]+", value or ""), value
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def report(run: Run, frame: pl.DataFrame) -> tuple[str, str]:
    """Return the page and its words, after checking what must hold of every page."""
    page = run_report(run, frame)
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    root = ET.XML(page)
    assert len(list(root.iter("h1"))) == 1
    addresses = re.findall(r"(?:https?:)?//[^\s\"'<]+", page)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    page.encode()
    words = " ".join("".join(root.find("body").itertext()).split())  # type: ignore[union-attr]
    assert not re.search(r"\b(nan|None|inf)\b", words)
    return page, words


def headings(page: str) -> list[str]:
    return [node.text or "" for node in ET.XML(page).iter("h2")]


def test_classification(digits: Any) -> None:
    page, words = report(*digits)
    facts = digits.run.facts
    assert headings(page) == [
        "How it was measured", "How it learned", "What it gets right, and wrong", "The network",
        "The data", "Use it again",
    ]  # fmt: skip
    for said in (
        "Predicts digit, one of 10 classes (classification), from 64 columns of 1,797 rows.",
        f"accuracy on held-out rows{facts['scores']['accuracy']:.1%}",
        f"{facts['baseline']['accuracy']:.1%}",
        "359 (20.0%), chosen at random with seed 0, each class in proportion",
        "1,150",
        "288, to tell when to stop",
        "chainrule predict RUN DATA --out FILE chainrule evaluate RUN DATA",
        "pixel_0_0, pixel_0_1",
        "and 52 more, and to evaluate also digit.",
        digits.run.data["fingerprint"][:16],
    ):
        assert said in words, said
    assert ET.XML(page).findtext("head/title") == "digit – digits"
    assert 'class="notice"' not in page
    assert len(page) < 100_000


def test_the_baseline_names_the_most_frequent_class(fit_dataset: Callable[..., Any]) -> None:
    run, frame = fit_dataset("breast_cancer", epochs=4)
    train = frame["diagnosis"].gather(run.rows(frame, "train"))
    (usual,) = train.mode()
    assert f"always answering {usual}" in report(run, frame)[1]


def test_regression(diabetes: Any) -> None:
    run, frame = diabetes
    page, words = report(run, frame)
    assert "How far off it is" in headings(page)
    assert "Predicts progression, a number (regression), from 10 columns of 442 rows." in words
    mean = frame["progression"].to_numpy()[run.rows(frame, "train")].mean()
    assert f"always answering the mean, {mean:.1f}" in words
    assert f"R² on held-out rows{run.facts['scores']['r2']:.3f}" in words
    assert page.count("<circle") >= run.facts["rows"]["held-out"]


def test_a_saved_run_has_the_same_report(diabetes: Any, tmp_path: Path) -> None:
    run, frame = diabetes
    run.save(tmp_path / "run")
    assert run_report(Run.load(tmp_path / "run"), frame) == run_report(run, frame)


def test_a_report_is_the_same_each_time(digits: Any) -> None:
    assert run_report(*digits) == run_report(*digits)


def test_no_validation_rows(fit_dataset: Callable[..., Any]) -> None:
    page, words = report(*fit_dataset("iris", validation=0.0))
    assert "validation rowsnone" in words
    assert "the last weights are kept" in words
    assert 'data-series="validation"' not in page
    assert "is kept" not in page


def test_no_held_out_rows(fit_dataset: Callable[..., Any]) -> None:
    page, words = report(*fit_dataset("iris", test=0.0))
    assert headings(page)[:2] == ["How it was trained", "How it learned"]
    assert "none: nothing says how well the network predicts new rows" in words
    assert "accuracy on held-out rows" not in words
    report(*fit_dataset("diabetes", test=0.0, validation=0.0))


def test_interrupted(fit_dataset: Callable[..., Any]) -> None:
    page, words = report(*fit_dataset("iris", after=2, epochs=50))
    assert "Training was cut short after 2 epochs of 50." in words
    assert 'class="notice"' in page
    assert "accuracy on held-out rows" in words


def test_interrupted_in_the_first_epoch(fit_dataset: Callable[..., Any]) -> None:
    page, words = report(*fit_dataset("iris", after=0))
    assert "Training ended before the first epoch was over" in words
    assert "How it learned" not in headings(page)


def test_one_epoch(fit_dataset: Callable[..., Any]) -> None:
    assert "1 epoch in" in report(*fit_dataset("xor", epochs=1))[1]


def test_not_trained() -> None:
    frame = load_dataset("iris").frame
    page, words = report(Run.prepare(frame, "species"), frame)
    assert "This run has not been trained" in words
    assert headings(page) == ["How it was trained", "The network", "The data", "Use it again"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_diverged(name: str) -> None:
    data = load_dataset(name)
    settings = Settings(optimizer="sgd", learning_rate=1e6, validation=0.0, epochs=20)
    run = Run.prepare(data.frame, data.target, settings)
    with pytest.raises(DivergedError):
        run.fit(data.frame)
    report(run, data.frame)


def test_many_classes(fit_table: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=600), "k": [f"class {i % 60}" for i in range(600)]})
    page, words = report(*fit_table(frame, "k", epochs=1))
    assert "Most frequent confusions" in words
    assert "and 40 classes with at least that recall" in words
    assert 'class="matrix"' not in page


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><svg onload=x>",
    "javascript:alert(1)",
    "https://example.org/x.png",
    "*",
    "a" * 5000,
    "new\nline\ttab",
    "\x00\x1b[31mcontrol",
    "\u202eright to left",
    "&amp;&#60;b&#62;",
    "{{7*7}}${x}%s",
    "漢字のとても長い名前",
    " ",
]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_hostile_names(task: str, fit_table: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, len(HOSTILE)))
    columns: dict[str, Any] = {name: x[:, i] for i, name in enumerate(HOSTILE)}
    columns["'; DROP TABLE x; --"] = [f"<b>{i % 3}</b>&" for i in range(150)]
    columns["const <i>"] = [1] * 150
    target = "</td><script src=//evil.example/x.js></script>"
    yes, no = "<img src=x>", "</table></body>"
    columns[target] = np.where(x[:, 0] > 0, yes, no) if task == "classification" else x[:, 0]
    run, frame = fit_table(pl.DataFrame(columns), target, name="<h1>'\"&\x00", epochs=1)
    page = run_report(run, frame)
    checker = Checker()  # no element or attribute but ours
    checker.feed(page)
    assert checker.open == []
    root = ET.XML(page)
    words = "".join(root.itertext())
    for name in HOSTILE[:4]:
        assert name in words
    assert "a" * 500 not in page.replace("a" * 499 + "…", "")
    assert len(page) < 100_000
    assert "<script" not in page
    assert "\x00" not in page
    assert "\x1b" not in page


def test_another_table_is_refused(fit_dataset: Callable[..., Any]) -> None:
    run, frame = fit_dataset("iris")
    with pytest.raises(ArgumentError, match="a table that the run was not trained on"):
        run_report(run, frame.head(100))
    run, frame = fit_dataset("iris", test=0.0)
    with pytest.raises(ArgumentError, match="a table that the run was not trained on"):
        run_report(run, frame.head(100))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, chainrule.viz; "
        "print([m for m in ('polars', 'rich', 'sklearn', 'pandas', 'safetensors') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
