"""How the page looks: on a telephone, on a desk, and in print."""

CSS = """
:root { color-scheme: light; --ink: #222; --quiet: #666; --line: #ddd; --accent: #005a8c; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .5rem; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 3.5rem 0 .8rem; padding-top: .8rem;
  border-top: 2px solid var(--ink); }
h3 { font-size: 1.02rem; margin: 2rem 0 .6rem; }
h1, h2, h3 { overflow-wrap: anywhere; text-wrap: balance; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: .15em; }
sub { font-size: .72em; line-height: 0; }
.quiet, figcaption { color: var(--quiet); font-size: .86rem; line-height: 1.45; }
.summary { background: #f5f7f9; padding: .6rem 1.1rem .9rem; margin: 1.5rem 0; border-radius: 4px; }
.summary h2 { border: 0; padding: 0; margin: .5rem 0 .3rem; font-size: 1.1rem; }
.summary h3 { margin: 1rem 0 .1rem; font-size: .95rem; }
ul.findings { margin: .2rem 0 0; padding-left: 1.1rem; }
ul.findings li { margin: .2rem 0; }
section > ul.findings { border-left: 3px solid var(--accent); padding-left: 1.6rem; }
.table { overflow-x: auto; margin: 1.2rem 0 .4rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem 1rem .32rem 0; border-bottom: 1px solid var(--line);
  text-align: right; white-space: nowrap; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
th.words, td.words { text-align: left; white-space: normal; min-width: 6.5rem;
  overflow-wrap: anywhere; }
td.words:first-child, th.words:first-child { min-width: 7.5rem; }
.first { position: sticky; left: 0; background: #fff; }
.pictures { display: grid; gap: 1.2rem 1.6rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.pictures.wide { grid-template-columns: 1fr; }
figure { margin: 0; min-width: 0; }
figure img { display: block; max-width: 100%; height: auto; }
figure img.plot { width: 100%; max-width: 31rem; }
figcaption { margin-top: .3rem; max-width: 46rem; overflow-wrap: anywhere; }
.pictures figcaption { max-width: 31rem; }
pre { background: #f5f7f9; padding: .7rem .9rem; border-radius: 4px; font-size: .82rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  main { padding: 1rem .9rem 3rem; }
  body { font-size: 15.5px; }
  h1 { font-size: 1.45rem; }
  td.words:first-child, th.words:first-child { max-width: 9rem; }
}
@media print {
  @page { size: A4; margin: 14mm 13mm; }
  body { font-size: 9.5pt; line-height: 1.4; }
  main { max-width: none; padding: 0; }
  a { color: inherit; text-decoration: none; }
  h1, h2, h3 { break-after: avoid; }
  section.experiment { break-before: page; }
  section.experiment > h2 { margin-top: 0; }
  .summary { background: none; border: 1px solid var(--line); }
  .table { overflow: visible; }
  .first { position: static; }
  table { font-size: 7.6pt; }
  th, td { padding: .18rem .4rem .18rem 0; white-space: normal; }
  td.words:first-child, th.words:first-child, th.words, td.words { min-width: 0;
    overflow-wrap: break-word; }
  tr, .pictures figure, li, pre { break-inside: avoid; }
  thead { display: table-header-group; }
  .pictures { grid-template-columns: 1fr 1fr; gap: .6rem .8rem; }
  figcaption, .quiet { font-size: 7.8pt; }
}
"""
