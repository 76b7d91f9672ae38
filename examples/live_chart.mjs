// Trains, and shows the loss in a browser as it falls. End this server and start it again: the training has gone on
// meanwhile, and the chart is whole. Also where the training was killed: then it goes on from its newest checkpoint.
//   node examples/live_chart.mjs CONFIG.yaml OUT [PORT]
import { createServer } from 'node:http'
import { attach, train } from 'tongueforge'

const [config, out, port = '3000'] = process.argv.slice(2)
/** Losses by step, and who watches. */
const losses = []
const watchers = new Set()
const tell = (watcher, event, data) => watcher.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)

async function follow(run) {
  for await (const { step, steps, loss } of run) {
    losses[step] = { step, steps, loss }
    for (const watcher of watchers) tell(watcher, 'step', losses[step])
  }
  return run.result
}

async function training() {
  try {
    return await follow(attach(out))
  } catch (error) {
    if (!['ERR_NOT_FOUND', 'ERR_PROCESS', 'ERR_INTERRUPTED'].includes(error.code)) throw error
    return follow(train(config, { overrides: [`out=${out}`], resume: true }))
  }
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>Training</title>
<style>body { font: 16px system-ui; margin: 2rem } svg { width: 100%; height: 60vh } polyline { fill: none; stroke: #26c }</style>
<h1>Training</h1><p id="now">waiting for the first step</p><button id="stop">save and stop</button>
<svg viewBox="0 0 100 100" preserveAspectRatio="none"><polyline vector-effect="non-scaling-stroke"></polyline></svg>
<script>
  const losses = [], now = document.getElementById('now'), events = new EventSource('events')
  const draw = (steps) => {
    const known = losses.filter(Boolean), most = Math.max(...known.map((one) => one.loss))
    document.querySelector('polyline').setAttribute('points',
      known.map(({ step, loss }) => 100 * step / steps + ',' + (100 - 95 * loss / most)).join(' '))
  }
  events.addEventListener('step', ({ data }) => {
    const { step, steps, loss } = losses[JSON.parse(data).step] = JSON.parse(data)
    now.textContent = 'step ' + step + ' of ' + steps + ': loss ' + loss.toFixed(4)
    draw(steps)
  })
  events.addEventListener('end', ({ data }) => { now.textContent = JSON.parse(data); events.close() })
  document.getElementById('stop').onclick = () => fetch('stop', { method: 'POST' })
</script>`

let end
const server = createServer(async ({ method, url }, response) => {
  if (url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    for (const line of losses) if (line) tell(response, 'step', line)
    if (end) tell(response, 'end', end)
    watchers.add(response.once('close', () => watchers.delete(response)))
  } else if (method === 'POST' && url === '/stop') {
    const stopped = attach(out).stop()
    await stopped.then(
      () => response.end('stopped\n'),
      (error) => response.writeHead(409).end(`${error.message}\n`),
    )
  } else {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE)
  }
})
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`))

end = await training().then(
  ({ model }) => `done: ${model}`,
  (error) => `${error.message}. ${error.hint ?? ''}`,
)
for (const watcher of watchers) tell(watcher, 'end', end)
console.log(end)
