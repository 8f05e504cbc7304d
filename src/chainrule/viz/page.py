"""The frame of an HTML page that needs nothing beside itself, and its style."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chainrule.viz.markup import Markup, clip, element, join
from chainrule.viz.style import STYLE

#: Nothing is loaded, and no script runs, whatever the data hold.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def page(title: str, *content: object) -> str:
    """Return a whole page.

    Args:
        title: its title, in the browser's tab.
        content: what stands on it; text is escaped.

    >>> page("<script>", element("p", "1 < 2")).splitlines()[0]
    '<!DOCTYPE html>'
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", clip(title, 120)),
        element("style", Markup(STYLE)),
    )
    body = element("body", element("main", *content))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def section(title: str, *content: object) -> Markup:
    """Return a part of the page with its heading."""
    return element("section", element("h2", title), *content)


def columns(*content: object) -> Markup:
    """Put parts side by side where the page is wide."""
    return element("div", *content, class_="columns")


def scrolled(label: str, content: Markup) -> Markup:
    """Let a wide table scroll by itself, also by keyboard."""
    return element("div", content, class_="scroll", role="region", aria_label=label, tabindex="0")


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numeric: Collection[int] = (),
    more: str = "",
) -> Markup:
    """Return a table.

    Args:
        head: titles of the columns.
        rows: the cells; text is escaped. The first of a row is its heading.
        numeric: columns to align at the right.
        more: what to say below it.

    >>> "<td>a &lt; b</td>" in table(["name", "rule"], [["x", "a < b"]])
    True
    """

    def cell(name: str, j: int, content: object, **attributes: str) -> Markup:
        return element(name, content, class_="number" if j in numeric else None, **attributes)

    heads = [cell("th", j, title, scope="col") for j, title in enumerate(head)]
    body = [
        element(
            "tr",
            *[
                cell("td", j, content) if j else cell("th", j, content, scope="row")
                for j, content in enumerate(row)
            ],
        )
        for row in rows
    ]
    made = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_="data",
    )
    return join(
        scrolled(", ".join(head), made),
        element("p", more, class_="more") if more else None,
    )


def definitions(pairs: Sequence[tuple[str, object]]) -> Markup:
    """Return a list of terms with what they are."""
    parts = [part for term, value in pairs for part in (element("dt", term), element("dd", value))]
    return element("dl", *parts)
