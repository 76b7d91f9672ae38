// Log-mel features against the plain numpy reference of test/parity/audio_cases.py (golden/audio/make_golden.py).
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FrontEnd } from '#lib/audio/front_end'
import { checkFrontEndConfig } from '#lib/audio/front_end_config'
import { readAudio } from '#lib/audio/read'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'audio')
const cases = readdirSync(golden)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length))

test('the golden features are there', () => assert.ok(cases.length >= 5, `found ${cases.length}`))

for (const name of cases)
  test(`log-mel features of ${name} are those of the reference to 1e-4`, async () => {
    const { config, features } = JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8'))
    const whole = { feature_extractor_type: 'MelHubertFeatureExtractor', ...config }
    const frontEnd = new FrontEnd(checkFrontEndConfig(whole, name))
    const sound = await frontEnd.sound(await readAudio(join(golden, `${name}.wav`)))
    assert.equal(sound.width, config.num_mel_bins)
    assert.equal(sound.places, features.length)
    const worst = Math.max(...features.flat().map((value, i) => Math.abs(value - sound.data[i])))
    assert.ok(worst < 1e-4, `${name}: ${worst}`)
  })
