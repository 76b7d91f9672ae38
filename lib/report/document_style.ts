/** The look of a report: calm, in the colours of the reader's system, readable on a phone and on paper. */
export const DOCUMENT_STYLE = `
:root { color-scheme: light dark; --page: #fff; --panel: #f6f7f9; --ink: #1c222c; --muted: #566074; --line: #dfe3ea;
  --accent: #0b5cad; --warn: #8a4b00; --warn-page: #fff3e0;
  --series-0: #0068a8; --series-1: #b84d00; --series-2: #00835f; --series-3: #b5568f; --series-4: #946c00;
  --series-5: #7449b8; --series-6: #2785b5; --series-7: #6d6d6d }
@media (prefers-color-scheme: dark) {
  :root { --page: #13161b; --panel: #1b1f26; --ink: #e2e7ef; --muted: #a3aebf; --line: #303742; --accent: #82b9ff;
    --warn: #ffc27a; --warn-page: #33260f;
    --series-0: #56b4e9; --series-1: #ff9d57; --series-2: #2fc79a; --series-3: #e39cc4; --series-4: #e0b040;
    --series-5: #b392ee; --series-6: #7cc7f0; --series-7: #a8a8a8 }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
  background: var(--page); max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; overflow-wrap: anywhere }
h1, h2, h3 { line-height: 1.2; letter-spacing: -.01em; margin: 0 } h1 { font-size: 2.1rem; font-weight: 650 }
h2 { font-size: 1.45rem; font-weight: 620; margin-bottom: .8rem } h3 { font-size: 1.1rem; font-weight: 620 }
.chapter h3 { font-size: 1rem; margin: 2rem 0 .8rem } h4 { font-size: .85rem; margin: 0; color: var(--muted) }
a { color: var(--accent) } .card h3 a { color: inherit; text-decoration-color: var(--line); text-underline-offset: .2em }
p { max-width: 44rem; margin: .5rem 0 } small { color: var(--muted); font-size: .8rem; font-weight: 400 }
header { border-bottom: 1px solid var(--line); padding-bottom: 1.2rem; margin-bottom: 2rem }
.lead { color: var(--muted); font-size: 1.1rem; margin: .6rem 0 0 }
.kind { color: var(--muted); font-size: .8rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase; margin: 0 0 .2rem }
section { margin-bottom: 2.5rem } .chapter { border-top: 1px solid var(--line); padding-top: 2rem }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1rem }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.3rem 1.2rem }
.card p { font-size: .95rem } .card .kind { font-size: .75rem }
dl { display: flex; flex-wrap: wrap; gap: .8rem 1.8rem; margin: 1rem 0 0 } dt { color: var(--muted); font-size: .8rem }
dd { margin: 0; font-size: 1.5rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums }
dl small { display: block; line-height: 1.3 }
.badge { display: inline-block; color: var(--warn); background: var(--warn-page); border-radius: 4px; padding: .1rem .55rem;
  font-size: .85rem; font-weight: 600 }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem 2rem }
figure { margin: 1.5rem 0; break-inside: avoid } .grid figure { margin: 0 } .grid { margin: 1.5rem 0 }
figure svg { display: block; max-width: 100%; width: 32rem; height: auto } .grid figure svg { width: 100%; max-width: 33rem }
figcaption, caption { text-align: left; font-size: .95rem; font-weight: 600; margin-bottom: .5rem }
caption { padding-bottom: .5rem; white-space: normal }
.file { font-size: .78rem; font-weight: 500; margin-left: .35rem; text-decoration: none; border: 1px solid var(--line);
  border-radius: 4px; padding: 0 .35rem } .file:hover { border-color: currentColor }
.table { margin: 1.8rem 0 } .scroll { overflow-x: auto } .take { margin: .3rem 0 0; font-size: .85rem; color: var(--muted) }
.take .file { margin-left: 0 }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: top;
  overflow-wrap: normal }
thead th { color: var(--muted); font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom;
  white-space: normal }
tbody th { font-weight: 500 }
th:first-child, td:first-child { text-align: left; padding-left: 0; position: sticky; left: 0; background: var(--page) }
td.words, th.words { text-align: left }
td.prose, th.prose { text-align: left; white-space: normal; min-width: 12rem; overflow-wrap: anywhere }
tbody tr:last-child > * { border-bottom: 0 }
.legend { list-style: none; padding: 0; margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .92rem }
.talk { border-left: 3px solid var(--line); padding: .1rem 0 .1rem 1rem; margin: 0 0 1.4rem; break-inside: avoid }
.talk p { white-space: pre-wrap; max-width: none } .prompt { font-weight: 600; margin-top: 0 }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); gap: .8rem 1.5rem }
.answers p { margin: .2rem 0 0 }
details { margin: 1rem 0; border: 1px solid var(--line); border-radius: 6px; padding: .5rem .9rem }
summary { cursor: pointer; font-weight: 600; font-size: .95rem }
pre { font: .8rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; overflow: auto; max-height: 30rem; background: var(--panel);
  padding: .8rem 1rem; border-radius: 6px; white-space: pre-wrap }
footer { border-top: 1px solid var(--line); padding-top: 1rem; color: var(--muted); font-size: .85rem }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
@media (max-width: 30rem) { body { padding: 1.4rem 1rem 2rem } h1 { font-size: 1.6rem } th, td { padding: .35rem .55rem } }
@media print {
  :root { color-scheme: light; --page: #fff; --panel: #fff; --ink: #000; --muted: #444; --line: #bbb; --accent: #000;
    --warn: #000; --warn-page: #fff; --series-0: #0068a8; --series-1: #b84d00; --series-2: #00835f; --series-3: #b5568f;
    --series-4: #946c00; --series-5: #7449b8; --series-6: #2785b5; --series-7: #6d6d6d }
  body { font-size: 10pt; padding: 0; max-width: none } .file, .take { display: none }
  .scroll { overflow: visible } table { font-size: 8pt } th, td { padding: .2rem .4rem; white-space: normal }
  .card, tr, figure { break-inside: avoid } h2, h3, h4 { break-after: avoid } pre { max-height: none }
}`
