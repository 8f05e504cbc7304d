"""The script of a graph's picture: a click opens or closes a frame, and what is around it moves.

A frame that opens makes room for itself by stretching the plane: each level's horizontal axis is
mapped by a function that never decreases and gives every frame the width that it has now; ranks
take the height of their tallest item. So order is kept, nothing overlaps, and no line goes up.
"""

from __future__ import annotations

import json
from typing import Any

from chainrule.viz.graphs.leaves import Value
from chainrule.viz.graphs.legend import BETWEEN, LEAST, PARTS, ROW, Legend
from chainrule.viz.graphs.placement import Item, Placed, closed_places, title_width

_CODE = """
(function (svg, root, legend) {
  "use strict";
  function stretch(g) {
    var now = g.items.map(function (m) {
      return m.g ? (size(m.g), [m.g.w, m.g.h]) : [m.w, m.h];
    });
    var ends = [0, g.width];
    g.items.forEach(function (m) { ends.push(m.x - m.w / 2, m.x + m.w / 2); });
    ends.sort(function (a, b) { return a - b; });
    ends = ends.filter(function (e, k) { return k === 0 || e > ends[k - 1]; });
    var at = new Map();
    ends.forEach(function (e, k) { at.set(e, k); });
    var least = ends.map(function (e, k) { return k === 0 ? 0 : e - ends[k - 1]; });
    var base = least.slice();
    var wants = ends.map(function () { return []; });
    var rows = g.top.map(function () { return []; });
    var tall = g.top.map(function () { return 0; });
    g.items.forEach(function (m, i) {
      var a = at.get(m.x - m.w / 2), b = at.get(m.x + m.w / 2);
      wants[b].push([a, now[i][0]]);
      rows[m.r].push(m);
      tall[m.r] = Math.max(tall[m.r], now[i][1]);
      if (m.w > now[i][0])
        for (var k = a + 1; b >= k; k++)
          least[k] = Math.min(least[k], base[k] * now[i][0] / m.w);
    });
    rows.forEach(function (row) {
      row.sort(function (a, b) { return a.x - b.x; });
      for (var k = 1; row.length > k; k++) {
        var a = row[k - 1].x + row[k - 1].w / 2, b = row[k].x - row[k].w / 2;
        if (b > a) wants[at.get(b)].push([at.get(a), Math.min(b - a, 22)]);
      }
    });
    var to = [];
    ends.forEach(function (e, k) {
      to[k] = k === 0 ? 0 : to[k - 1] + least[k];
      wants[k].forEach(function (want) {
        if (k > want[0]) to[k] = Math.max(to[k], to[want[0]] + want[1]);
      });
    });
    g.map = function (x) {
      var k = 1, last = ends.length - 1;
      if (1 > last) return x - ends[0];
      while (last > k ? x > ends[k] : false) k++;
      return to[k - 1] + (x - ends[k - 1]) / (ends[k] - ends[k - 1]) * (to[k] - to[k - 1]);
    };
    var y = 0;
    g.t = []; g.b = [];
    g.top.forEach(function (t, r) {
      g.t[r] = y;
      g.b[r] = y + tall[r];
      y = g.b[r] + (r + 1 === g.top.length ? 0 : g.top[r + 1] - g.bottom[r]);
    });
    g.items.forEach(function (m, i) {
      m.cx = m.title ? m.w / 2 : (g.map(m.x - m.w / 2) + g.map(m.x + m.w / 2)) / 2;
      m.nw = now[i][0]; m.nh = now[i][1];
      m.cy = (g.t[m.r] + g.b[m.r]) / 2;
    });
    g.W = Math.max(ends.length ? to[to.length - 1] : 0, g.least) + 2 * g.left;
    g.H = y + g.above + g.below;
  }
  function size(g) {
    stretch(g);
    g.w = g.open ? g.W : g.closed[0];
    g.h = g.open ? g.H : g.closed[1];
  }
  function end(m, ends, k) {
    if (!m.g) return k;
    if (!m.g.open) return m.g["closed" + ends][k];
    return m.g.left + m.g.items[m.g[ends][k]].cx - m.g.W / 2;
  }
  function way(g, line) {
    var s = g.items[line[0]], t = g.items[line[2]], r = s.r;
    var x = s.cx + end(s, "outs", line[1]), y = s.cy + (s.port ? -s.nh : s.nh) / 2;
    var bends = line[4].map(g.map);
    if (line[5]) {
      r += bends.length;
      x = bends[bends.length - 1];
      y = g.b[r];
      bends = [];
    }
    var d = "M" + x + " " + y;
    y = g.b[r];
    d += "V" + y;
    bends.concat([t.cx + end(t, "ins", line[3])]).forEach(function (v) {
      r++;
      var half = (y + g.t[r]) / 2;
      if (Math.abs(x - v) >= 0.05)
        d += "C" + [x, half, v, half, v, g.t[r]].join(" ");
      x = v; y = g.b[r];
      if (t.r > r) d += "V" + y;
    });
    return d + "V" + (t.cy - t.nh / 2);
  }
  function child(element, name) {
    return Array.prototype.find.call(element.children, function (c) {
      return c.classList.contains(name);
    });
  }
  function draw(g, inside) {
    var lines = child(inside, "lines").children, items = child(inside, "items").children;
    g.lines.forEach(function (line, k) { lines[k].setAttribute("d", way(g, line)); });
    g.items.forEach(function (m, i) {
      if (m.port || m.title) return;
      items[i].setAttribute("transform", "translate(" + m.cx + " " + m.cy + ")");
      if (m.g) frame(m.g, items[i]);
    });
  }
  function frame(g, element) {
    var head = child(element, "head"), inside = child(element, "inside");
    var box = head.querySelector("rect"), x = -g.w / 2, y = -g.h / 2;
    box.setAttribute("x", x); box.setAttribute("y", y);
    box.setAttribute("width", g.w); box.setAttribute("height", g.h);
    var title = child(head, "title"), summary = child(head, "summary");
    title.setAttribute("x", x + 10); title.setAttribute("y", y + 17);
    summary.setAttribute("x", x + 10); summary.setAttribute("y", y + 34);
    summary.style.display = g.open ? "none" : "";
    inside.style.display = g.open ? "" : "none";
    head.querySelector(".mark").textContent = g.open ? "\\u25be " : "\\u25b8 ";
    head.setAttribute("aria-expanded", g.open ? "true" : "false");
    child(element, "labels").style.display = g.open ? "none" : "";
    Array.prototype.forEach.call(child(element, "labels").children, function (label, k) {
      label.setAttribute("x", end({g: g}, "outs", k) + 5);
      label.setAttribute("y", g.h / 2 + 13);
    });
    inside.setAttribute(
      "transform", "translate(" + (-g.W / 2 + g.left) + " " + (-g.H / 2 + g.above) + ")"
    );
    if (g.open) draw(g, inside);
  }
  function listen(g, inside) {
    var items = child(inside, "items").children;
    g.items.forEach(function (m, i) {
      if (!m.g) return;
      var head = child(items[i], "head");
      head.classList.add("live");
      head.setAttribute("tabindex", "0");
      head.setAttribute("role", "button");
      function toggle() { m.g.open = !m.g.open; show(); }
      head.addEventListener("click", toggle);
      head.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); }
      });
      listen(m.g, child(items[i], "inside"));
    });
  }
  function hidden(element) {
    for (; element !== svg; element = element.parentNode)
      if (element.style.display === "none") return true;
    return false;
  }
  function seen(inside, kind) {
    return Array.prototype.some.call(inside.querySelectorAll("." + kind), function (e) {
      var list = e.classList, open = list.contains("frame");
      if (open ? child(e, "inside").style.display !== "none" : false) return false;
      if (list.contains("value") || list.contains("adjoint") ? !e.textContent : false) return false;
      if (legend.parts.indexOf(kind) >= 0 ? !(open || list.contains("operation")) : false)
        return false;
      return !hidden(e);
    });
  }
  function explain(inside) {
    var x = 0, y = 10, widest = 0, entries = child(svg, "legend").children;
    var shows = legend.kinds.map(function (kind) { return seen(inside, kind); });
    var isPart = legend.kinds.map(function (kind) { return legend.parts.indexOf(kind) >= 0; });
    var one = 2 > shows.filter(function (on, k) { return on ? isPart[k] : false; }).length;
    legend.widths.forEach(function (wide, k) {
      var on = shows[k] ? !(one ? isPart[k] : false) : false;
      entries[k].style.display = on ? "" : "none";
      if (!on) return;
      if (x > 0 ? x + wide > Math.max(root.W - 2 * root.left, legend.least) : false) {
        x = 0;
        y += legend.row;
      }
      entries[k].setAttribute("transform", "translate(" + x + " " + y + ")");
      widest = Math.max(widest, x + wide);
      x += wide + legend.between;
    });
    return [widest, widest ? y + 12 : 0];
  }
  function show() {
    root.open = true;
    size(root);
    var inside = child(svg, "inside");
    draw(root, inside);
    var words = explain(inside);
    var w = Math.ceil(Math.max(root.W, words[0] + 2 * root.left)), h = root.H + words[1];
    svg.setAttribute("viewBox", "0 0 " + w + " " + h);
    svg.setAttribute("width", w);
    svg.setAttribute("height", h);
    svg.style.maxWidth = w > 1200 ? "none" : "100%";
    svg.style.minWidth = Math.min(w, Math.max(0.75 * w, 320)) + "px";
    svg.style.height = w > 1200 ? "" : "auto";
    var left = root.left + (w - root.W) / 2;
    inside.setAttribute("transform", "translate(" + left + " " + root.above + ")");
    child(svg, "legend").setAttribute(
      "transform", "translate(" + root.left + " " + (h - words[1]) + ")"
    );
  }
  svg.setAttribute("role", "group");
  listen(root, child(svg, "inside"));
  show();
})
"""


def script(root: Placed, words: Legend) -> str:
    """Return the script, with what it needs to know of the picture.

    Args:
        root: the whole picture, placed.
        words: what stands below it.
    """
    code = "\n".join(line.strip() for line in _CODE.strip().splitlines())
    data = json.dumps(_data(root), separators=(",", ":"))
    legend = json.dumps(
        {
            "kinds": words.kinds,
            "parts": list(PARTS),
            "widths": [_round(wide) for wide in words.widths],
            "row": ROW,
            "least": LEAST,
            "between": BETWEEN,
        },
        separators=(",", ":"),
    )
    return f"{code}(document.currentScript.parentNode,{data},{legend});"


def _data(placed: Placed) -> dict[str, Any]:
    layout, group = placed.layout, placed.group
    ins, outs = placed.ports_in, placed.ports_out
    branches = placed.branches()
    return {
        "open": group.is_open,
        "width": _round(layout.width),
        "left": placed.left,
        "above": placed.top,
        "below": _round(placed.height - layout.height - placed.top),
        "least": _round(title_width(group)) if group.frame is not None else 0,
        "closed": [_round(side) for side in placed.closed],
        "top": [_round(y) for y in layout.top],
        "bottom": [_round(y) for y in layout.bottom],
        "ins": ins,
        "outs": outs,
        "closedins": closed_ports(placed, ins),
        "closedouts": closed_ports(placed, outs),
        "items": [_item(item, layout.x[i], layout.rank[i]) for i, item in enumerate(placed.items)],
        "lines": [
            [
                a.source,
                _end(placed.items[a.source], a.leaves, placed.values[k], leaving=True),
                a.target,
                _end(placed.items[a.target], a.arrives, placed.values[k], leaving=False),
                [_round(x) for x in layout.bends[k]],
                int(branches[k]),
            ]
            for k, a in enumerate(placed.lines)
        ],
    }


def closed_ports(placed: Placed, ports: list[int]) -> list[float]:
    """Return where lines meet a closed frame, right of its center, in the order of the values."""
    order = sorted(ports, key=lambda i: placed.layout.x[i])
    places = dict(zip(order, closed_places(len(ports), placed.closed[0]), strict=True))
    return [_round(places[i]) for i in ports]


def _item(item: Item, x: float, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "x": _round(x),
        "w": _round(max(item.width, item.room)),
        "h": _round(item.height),
        "r": rank,
    }
    if item.kind in ("port", "title"):
        found[item.kind] = 1
    if item.inside is not None:
        found["g"] = _data(item.inside)
    return found


def _end(item: Item, offset: float, value: Value, *, leaving: bool) -> float:
    if item.inside is None:
        return _round(offset)
    values = item.inside.group.gives if leaving else item.inside.group.needs
    return values.index(value)


def _round(value: float) -> float:
    return round(value, 2)
