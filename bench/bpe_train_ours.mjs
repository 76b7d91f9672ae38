// One measurement for bpe_train.mjs: count the words of a file, a text a line, and learn tokens from them.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { corpusTexts } from '#lib/text/bpe/corpus_texts'
import { learnBpe } from '#lib/text/bpe/fresh'
import { countWords } from '#lib/text/bpe/word_counts'

const [path, preTokenizer, size, minCount, threads] = process.argv.slice(2)
const delay = monitorEventLoopDelay({ resolution: 1 })
const began = performance.now()
delay.enable()
const source = { path, split: 'line', invalid: 'fail', max_invalid: 0 }
const how = { normalizer: null, pre_tokenizer: JSON.parse(preTokenizer) }
const counted = await countWords(corpusTexts([source]), how, { threads: Number(threads) })
const options = {
  special: [],
  maxTokenLength: 0,
  coverage: 0,
  size: Number(size),
  minCount: Number(minCount),
}
const { tokens } = await learnBpe(counted, { ...options, threads: Number(threads) })
const ended = performance.now()
delay.disable()
const { user, system } = process.cpuUsage()
process.stdout.write(
  JSON.stringify({
    seconds: (ended - began) / 1000,
    counting_seconds: counted.seconds,
    cpu_seconds: (user + system) / 1e6,
    vocab_size: tokens.length,
    words: counted.words.length,
    peak_rss_mb: process.resourceUsage().maxRSS / 1024,
    loop_delay_ms: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
  }),
)
