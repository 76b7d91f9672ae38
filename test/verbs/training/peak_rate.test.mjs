import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peakRate } from '#lib/verbs/training/peak_rate'

const rate = (name, dtype = 'bfloat16') => peakRate(name, dtype)

test("a card's rate is that of its data sheet, by the name that the driver tells", () => {
  assert.equal(rate('NVIDIA H100 80GB HBM3'), 989e12)
  assert.equal(rate('NVIDIA H200'), 989e12)
  assert.equal(rate('NVIDIA GH200 480GB'), 989e12)
  assert.equal(rate('NVIDIA H100 PCIe'), 756e12)
  assert.equal(rate('NVIDIA H100 NVL'), 835e12)
  assert.equal(rate('NVIDIA H200 NVL'), 835e12)
  assert.equal(rate('NVIDIA A100-SXM4-80GB'), 312e12)
  assert.equal(rate('NVIDIA A100 80GB PCIe'), 312e12)
})

test('of a card or a dtype that is not known nothing is guessed', () => {
  assert.equal(rate('NVIDIA A1000'), undefined)
  assert.equal(rate('NVIDIA GeForce RTX 4090'), undefined)
  assert.equal(rate('NVIDIA H100 80GB HBM3', 'float32'), undefined)
})
