// Probes on recordings.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { probe } from 'tongueforge'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyListener } from '../helpers/tiny_probing.mjs'
import { miniatureMelHubert } from '../helpers/tiny_speech.mjs'

const root = temporaryFolder()

dataTest(
  'a random encoder tells speakers and digits far above chance, and some phones of read speech',
  ['speech/fsdd', 'speech/librivox'],
  async (t, [digits, read]) => {
    const listener = await writeTinyListener(join(root, 'miniature'), miniatureMelHubert)
    const part = (from, to) => [{ path: join(digits, 'manifest.csv'), where: { index: { from, to } } }]
    const said = (samples) => [{ path: join(read, 'manifest.jsonl'), where: { samples } }]
    const aligned = {
      name: 'phone',
      kind: 'frames',
      label: 'phones',
      train: said([113600, 84800]),
      test: said(47840),
    }
    const { probes } = await probe({
      ...{ model: listener, out: join(root, 'digits'), train: part(0, 1), test: part(18, 19) },
      probes: [
        { name: 'digit', kind: 'utterance', label: 'digit' },
        { name: 'speaker', kind: 'utterance', label: 'speaker' },
        aligned,
      ],
    })
    for (const {
      name,
      test: { accuracy, frame_accuracy, chance, nll },
    } of probes)
      t.diagnostic(
        `${name} ${(accuracy ?? frame_accuracy).toFixed(3)}, chance ${chance.toFixed(3)}, nll ${nll.toFixed(3)}`,
      )
    const [digit, speaker, phone] = probes.map(({ test: judged }) => judged)
    assert.deepEqual([digit.chance, speaker.chance], [0.1, 0.25])
    assert.ok(digit.accuracy > 0.4, `${digit.accuracy}`)
    assert.ok(speaker.accuracy > 0.75, `${speaker.accuracy}`)
    assert.ok(phone.frame_accuracy > 1.5 * phone.chance, `${phone.frame_accuracy}`)
  },
)
