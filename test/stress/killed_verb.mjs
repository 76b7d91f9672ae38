// A verb that is going to be killed: says that it is loaded, and runs once it is told how. Started by
// test/helpers/killed_verbs.mjs.
import { once } from 'node:events'
import { VERBS } from '../helpers/writing_verbs.mjs'

const { verb, given, out } = JSON.parse(process.argv[2])
process.stdout.write('loaded\n')
const [how] = await once(process.stdin, 'data')
await VERBS[verb].run(given, out, JSON.parse(how))
process.exit(0)
