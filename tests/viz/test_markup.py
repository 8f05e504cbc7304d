from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from chainrule.viz.markup import Markup, clip, element, escape, join, name_of, text_width

ANY_TEXT = st.text(st.characters())  # lone surrogates and control characters too


@given(ANY_TEXT)
def test_any_text_is_content_and_attribute_of_a_well_formed_element(text: str) -> None:
    made = element("td", text, title=text)
    root = ET.XML(made)
    assert root.tag == "td"
    assert list(root) == []
    made.encode()  # no lone surrogates
    tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.append(tag)

    Parser().feed(made)
    assert tags == ["td"]


@given(st.text("abc <>&\"'=/äß漢"))
def test_text_comes_back_as_it_was(text: str) -> None:
    root = ET.XML(element("p", text, title=text))
    assert root.text == (text or None)
    assert root.get("title") == text


def test_attributes() -> None:
    made = element("line", x1=1.23456, x2=2.0, n=3, stroke_width=None, class_="a", aria_label="b")
    assert made == '<line x1="1.23" x2="2" n="3" class="a" aria-label="b"></line>'
    assert element("meta", charset="utf-8") == '<meta charset="utf-8" />'


def test_markup_is_not_escaped_again_and_none_is_left_out() -> None:
    inner = element("b", "1 < 2")
    assert element("p", inner, None, " & so on") == "<p><b>1 &lt; 2</b> &amp; so on</p>"
    assert escape(inner) is inner
    assert join("<", Markup("<br />"), None, 3) == "&lt;<br />3"


def test_control_characters_are_replaced() -> None:
    assert escape("a\x00b\x1b[31m\ud800") == "a\ufffdb\ufffd[31m\ufffd"


def test_names_are_clipped_and_isolated() -> None:
    assert clip("a\nb\tc", 10) == "a b c"
    assert clip("abcdef", 4) == "abc…"
    short = ET.XML(name_of("age"))
    assert (short.tag, short.text, short.get("title")) == ("bdi", "age", None)
    long = ET.XML(name_of("x" * 3000, 20))
    assert long.text == "x" * 19 + "…"
    assert len(long.get("title") or "") == 500


def test_width_counts_wide_characters() -> None:
    assert text_width("", 12) == 0
    assert text_width("漢字", 12) > 1.5 * text_width("ab", 12)
