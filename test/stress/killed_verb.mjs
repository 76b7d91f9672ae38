// A verb that is going to be killed: says that it is loaded, runs once it is told how, and says that it is done. Started
// by test/helpers/killed_verbs.mjs.
import { once } from 'node:events'
import { loadAddon } from '#lib/libtorch'
import { loadVerb } from '../helpers/running_verbs.mjs'

const { verb, given, out } = JSON.parse(process.argv[2])
const run = await loadVerb(verb)
loadAddon()
process.stdout.write('loaded\n')
const [how] = await once(process.stdin, 'data')
await run(given, out, JSON.parse(how))
process.stdout.write('done\n')
process.exit(0)
