"""Text and marks stand out from what is behind them, in light and in dark (WCAG 2.1, AA)."""

from __future__ import annotations

import re

import pytest

from chainrule.viz.confusion import _STRONGEST
from chainrule.viz.style import STYLE

Color = tuple[float, ...]
_LIGHT, _DARK = (
    dict(re.findall(r"--([a-z0-9-]+): ([^;]+);", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)[:2]
)


def color(text: str) -> Color:
    if text.startswith("#"):
        return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))
    return tuple(float(part) for part in text.split())


def luminance(rgb: Color) -> float:
    parts = [c / 255 for c in rgb]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: Color, b: Color) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def over(top: Color, below: Color, share: float) -> Color:
    return tuple(share * a + (1 - share) * b for a, b in zip(top, below, strict=True))


@pytest.mark.parametrize("theme", [_LIGHT, _DARK], ids=["light", "dark"])
def test_contrast(theme: dict[str, str]) -> None:
    paper, panel, ink = (color(theme[name]) for name in ("paper", "panel", "ink"))
    for behind in (paper, panel):
        assert contrast(ink, behind) >= 7
        assert contrast(color(theme["muted"]), behind) >= 4.5
    assert contrast(over(ink, paper, 0.72), paper) >= 4.5  # type in charts
    for i in range(1, 5):
        assert contrast(color(theme[f"series-{i}"]), paper) >= 3
    for tint in ("hit", "miss"):
        assert contrast(ink, over(color(theme[tint]), paper, _STRONGEST)) >= 4.5


def test_light_and_dark_name_the_same_colors() -> None:
    assert _LIGHT.keys() == _DARK.keys()
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE  # paper stays white
    assert "@media print" in STYLE
    assert not set("<&") & set(STYLE)
