"""The look of a page: calm, in light and in dark, on a phone, on a screen and on paper."""

# No "<" or "&" in here: the page is well-formed XML, too.
STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fcfcfb; --ink: #1c2127; --muted: #5c6670; --line: #e2e5e8; --panel: #f4f5f4;
  --series-1: #2f6fd0; --series-2: #c75f0a; --series-3: #1f8a5b; --series-4: #8a4fb8;
  --series-5: #b8325f;
  --hit: 47 111 208; --miss: 214 102 16;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e5e8eb; --muted: #9ba5af; --line: #2b3137; --panel: #1b1f23;
    --series-1: #7aa9f2; --series-2: #f0964a; --series-3: #58c795; --series-4: #c493ec;
    --series-5: #f088a8;
    --hit: 84 141 235; --miss: 222 118 40;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 3rem) 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
main { max-width: 66rem; margin: 0 auto; }
p, li, dd { max-width: 68ch; text-wrap: pretty; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.7rem, 4.5vw, 2.5rem); letter-spacing: -0.02em; margin: 0.2rem 0 0.5rem; }
h2 {
  font-size: 1.25rem; letter-spacing: -0.01em; margin: 3.25rem 0 0.75rem; padding-top: 1rem;
  border-top: 1px solid var(--line);
}
h3 { font-size: 1rem; margin: 1.75rem 0 0.5rem; }
.lead { font-size: 1.1rem; color: var(--muted); margin: 0; overflow-wrap: anywhere; }
.small, .eyebrow, caption, figcaption, .more, footer { font-size: 0.875rem; color: var(--muted); }
.eyebrow { margin: 0; letter-spacing: 0.02em; }
.name { font-weight: 550; overflow-wrap: anywhere; }
.notice {
  border-left: 3px solid var(--series-2); background: var(--panel); padding: 0.7rem 1rem;
  margin: 1.5rem 0 0;
}
.columns {
  margin-top: 1.25rem; display: grid; gap: 2rem 2.5rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
}
.columns > * { min-width: 0; }
.columns figure, .columns > div > h3:first-child { margin-top: 0; }
figure { margin: 1rem 0 0; max-width: 35rem; }
figure h3 { margin-top: 0; }
figcaption { margin-top: 0.35rem; }
.chart { display: block; width: 100%; height: auto; font-variant-numeric: tabular-nums; }
.strips rect:hover { fill: currentColor; fill-opacity: 0.08; }
circle:hover { fill-opacity: 1; }
.scores { margin: 1.75rem 0 1rem; display: grid; gap: 1.1rem; max-width: 40rem; }
.score { display: grid; grid-template-columns: 1fr auto; gap: 0.3rem 1rem; align-items: baseline; }
.score b { font-size: clamp(2.2rem, 7vw, 3.2rem); font-weight: 650; line-height: 1; }
.score b { letter-spacing: -0.03em; grid-row: span 1; text-align: right; }
.score.baseline b { font-size: clamp(1.4rem, 4vw, 1.8rem); color: var(--muted); font-weight: 550; }
.score .track { grid-column: 1 / -1; height: 0.5rem; background: var(--panel); }
.score .track i { display: block; height: 100%; width: calc(100% * var(--share)); }
.score .track i { background: var(--series-1); border-radius: 0 2px 2px 0; }
.score.baseline .track i { background: var(--muted); opacity: 0.6; }
.scroll {
  overflow-x: auto; margin: 0.75rem 0 0;
  /* a shadow at the right edge as long as there is more to see */
  background:
    linear-gradient(to left, var(--paper) 1.5rem, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--line), transparent) right / 0.9rem 100% no-repeat scroll;
}
table { border-collapse: collapse; font-size: 0.9rem; }
caption { text-align: left; padding-bottom: 0.4rem; white-space: nowrap; }
th { font-weight: 550; text-align: left; }
thead th { color: var(--muted); vertical-align: bottom; }
.data th, .data td { padding: 0.32rem 1.1rem 0.32rem 0; border-bottom: 1px solid var(--line); }
.data td { vertical-align: middle; }
.data .number { text-align: right; white-space: nowrap; }
.data th:last-child, .data td:last-child { padding-right: 0; }
.data tbody th { white-space: nowrap; }
.data .name {
  display: inline-block; max-width: 16rem; white-space: normal; overflow-wrap: break-word;
  font-weight: inherit;
}
.matrix td, .matrix th {
  padding: 0.35rem 0.2rem; text-align: center; border: 1px solid var(--paper);
}
.matrix tbody td { min-width: 2.1rem; }
.matrix tbody th { text-align: right; padding-right: 0.6rem; max-width: 9rem; }
.matrix .upright { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
.matrix .hit { background: rgb(var(--hit) / var(--tint)); }
.matrix .miss { background: rgb(var(--miss) / var(--tint)); }
.matrix .zero { color: var(--muted); opacity: 0.55; }
.with-bar {
  display: inline-grid; grid-template-columns: 3.5rem 3.5em; gap: 0.5rem; align-items: center;
}
.bar { height: 0.4rem; background: var(--panel); }
.bar::before {
  content: ""; display: block; height: 100%; width: calc(100% * var(--share));
  background: var(--series-1);
}
dl {
  display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: 0.3rem 1.25rem;
  margin: 0.75rem 0 0;
}
@media (max-width: 35rem) {
  .with-bar { display: inline; }
  .bar { display: none; }
  .data th, .data td { padding-right: 0.8rem; }
  dl { grid-template-columns: minmax(6rem, max-content) 1fr; column-gap: 1rem; }
}
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; margin: 0.5rem 0 0; }
li { overflow-wrap: anywhere; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--muted); font-size: 0.9rem; }
pre {
  background: var(--panel); padding: 0.8rem 1rem; overflow-x: auto; margin: 0.75rem 0 0;
  font: 0.875rem/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
footer { overflow-wrap: anywhere; }
:focus-visible { outline: 2px solid var(--series-1); outline-offset: 3px; }
@media print {
  :root { color-scheme: light; --paper: #fff; }
  html { font-size: 9.5pt; }
  body { padding: 0; }
  .scroll { overflow: visible; background: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  figure, tr, .score { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  h2 { margin-top: 1.75rem; }
  details:not([open]) { display: none; }
}
"""
