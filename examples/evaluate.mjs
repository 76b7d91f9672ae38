// Asks two models the same questions, and says where they differ by more than chance.
//   node examples/evaluate.mjs FIRST SECOND TASKS DATA OUT
import { evaluate } from 'tongueforge'

const [first, second, tasks, data, out] = process.argv.slice(2)
const run = evaluate({ models: [first, second], tasks: tasks.split(','), data, out, num_fewshot: 2 })
for await (const { model, task, documents } of run) console.log(`${model}: ${documents} documents of ${task}`)
for (const { task, metric, difference } of (await run.result).results) {
  if (difference?.interval == null) continue
  const [low, high] = difference.interval
  const told = low > 0 || high < 0 ? 'differ' : 'may be equal'
  console.log(`${task} ${metric}: ${low.toFixed(3)} to ${high.toFixed(3)}, they ${told}`)
}
