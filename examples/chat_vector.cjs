// Gives a model chat ability by arithmetic, then asks it something.
// node examples/chat_vector.cjs TARGET BASE CHAT OUT "question"; after `npm run demo`, say:
// node examples/chat_vector.cjs demo-out/cp demo-out/base demo-out/chat demo-out/mine "what is the colour of hugo ?"
const { graft, loadModel } = require('tongueforge')

async function main([target, base, chat, out, question]) {
  const report = await graft({ target, base, chat, scale: 0.5, out, overwrite: true })
  console.log(`${report.tensors_changed} tensors changed in ${report.seconds.toFixed(2)} s`)

  const model = await loadModel(out, { threads: 1 })
  for await (const { text } of model.chat([{ role: 'user', content: question }], { maxNewTokens: 20 })) {
    process.stdout.write(text)
  }
  console.log()
  await model.dispose()
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
