/** The names of Node's warnings that come while `work` runs. */
export async function warningsOf(work) {
  const names = []
  const hear = ({ name }) => names.push(name)
  process.on('warning', hear)
  try {
    await work()
    await new Promise((done) => setImmediate(done)) // the last ones come in a turn of their own
  } finally {
    process.off('warning', hear)
  }
  return names
}
