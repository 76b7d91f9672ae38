// A server that trains: listens on a port, starts a run in a process of its own, and ends by force after some steps.
// Arguments: config as JSON, the step after which it dies. Prints {port}.
import { createServer } from 'node:net'
import { train } from 'tongueforge'

const [config, last] = process.argv.slice(2).map((text) => JSON.parse(text))
const server = createServer().listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())))
for await (const { step } of train(config)) if (step === last) process.kill(process.pid, 'SIGKILL')
