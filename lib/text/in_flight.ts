/**
 * Works on items as they come, up to `limit` of them at once; gives the results in the order of the items. A failure
 * ends it with that item's turn.
 */
export async function* inFlight<Item, Result>(
  items: AsyncIterable<Item>,
  limit: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = []
  for await (const item of items) {
    const result = work(item)
    result.catch(() => {}) // told when its turn comes
    running.push(result)
    if (running.length >= limit) yield await running.shift()!
  }
  for (const result of running) yield await result
}
