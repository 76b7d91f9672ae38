/** What the page of a server adds to the look of a report. */
export const PAGE_STYLE = `
.sides { display: grid; grid-template-columns: 1fr; gap: 1.5rem } .comparing .sides { grid-template-columns: 1fr 1fr }
#right { display: none } .comparing #right { display: block }
.side { margin: 0; min-width: 0 } .side h2 { font-size: 1.1rem; margin-bottom: .5rem }
.choice { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; align-items: center; font-size: .92rem }
label { color: var(--muted) } [hidden] { display: none }
select, input, textarea, button { font: inherit; color: var(--ink); background: var(--page); border: 1px solid var(--line);
  border-radius: 6px; padding: .35rem .6rem; max-width: 100% }
input[type=number] { width: 5.5rem } input[type=range] { width: 10rem; padding: 0; vertical-align: middle; accent-color: var(--accent) }
output { font-variant-numeric: tabular-nums; color: var(--ink) }
button { cursor: pointer; background: var(--panel); font-weight: 600 } button:disabled { cursor: default; color: var(--muted) }
#send { background: var(--accent); border-color: var(--accent); color: var(--page) }
.talk-of { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1.1rem; margin: .9rem 0 .4rem;
  min-height: 11rem; max-height: 50vh; overflow-y: auto }
.turn { margin: 0 0 .9rem; white-space: pre-wrap; max-width: none } .turn:last-child { margin: 0 }
.turn.user { color: var(--muted) } .turn.user::before { content: "You: "; font-weight: 600 }
.figures { color: var(--muted); font-size: .85rem; min-height: 1.3rem; margin: 0; font-variant-numeric: tabular-nums }
form { margin-top: 1.2rem } textarea { width: 100%; resize: vertical; display: block }
.row { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; margin-top: .7rem; font-size: .92rem }
#problem { color: var(--warn); min-height: 1.5rem }
@media (max-width: 40rem) { .comparing .sides { grid-template-columns: 1fr } .talk-of { max-height: 38vh; min-height: 7rem } }
`
