from __future__ import annotations

from xml.etree import ElementTree as ET

from chainrule.viz.markup import element
from chainrule.viz.page import columns, definitions, page, section, table


def test_page_is_well_formed_and_loads_nothing() -> None:
    made = page("</title><script>", section("A & B", columns(element("p", "<i>"))))
    root = ET.XML(made)
    assert root.tag == "html"
    assert root.get("lang") == "en"
    assert root.findtext("head/title") == "</title><script>"
    assert root.findtext(".//h2") == "A & B"
    metas = {m.get("http-equiv") or m.get("name"): m.get("content") for m in root.iter("meta")}
    policy = metas["Content-Security-Policy"] or ""
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    # Before whatever the data could bring.
    head = [child.tag for child in root.find("head") or ()]
    assert head.index("title") > 1
    style = root.findtext("head/style") or ""
    for word in ("url(", "@import", "http"):
        assert word not in style


def test_table() -> None:
    made = table(["name", "rows"], [["<a>", "1"], ["b", element("b", "2")]], numeric=(1,), more="!")
    root = ET.XML(f"<div>{made}</div>")
    assert [th.get("scope") for th in root.iter("th")] == ["col", "col", "row", "row"]
    assert [td.get("class") for td in root.iter("td")] == ["number", "number"]
    assert ["".join(td.itertext()) for td in root.iter("td")] == ["1", "2"]
    region = root.find("div")
    assert region is not None
    assert region.attrib == {
        "class": "scroll", "role": "region", "aria-label": "name, rows", "tabindex": "0",
    }  # fmt: skip
    assert root.findtext("p") == "!"


def test_definitions() -> None:
    root = ET.XML(definitions([("seed", 3), ("a<b", element("b", "x"))]))
    assert [node.tag for node in root] == ["dt", "dd", "dt", "dd"]
    assert ["".join(node.itertext()) for node in root] == ["seed", "3", "a<b", "x"]
