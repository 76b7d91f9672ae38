// Golden runs of every objective: what plain torch and transformers, one document at a time, make of one of the tiny
// models of test/parity/objectives_cases.py.
//
//     TONGUEFORGE_PARITY_PYTHON=build/parity-env/bin/python node test/golden/objectives/make_golden.mjs
//
// Made with torch 2.13.0, transformers 5.23.0. Writes beside itself
//
//     model/           the model, its tokenizer and template, and the records
//     expected.json    {lengths: {objective: [tokens of a record]}, runs: {cell: {loss, grad_norm, lr, ...: [an update]}}}
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { referenceRuns } from '../../helpers/objective_runs.mjs'
import { objectivesReference } from '../../helpers/reference.mjs'

const SEED = 1
const FAMILY = 'qwen2' // its head is tied, so the folder is small; its projections have biases
const here = dirname(fileURLToPath(import.meta.url))

const scratch = mkdtempSync(join(tmpdir(), 'tongueforge-golden-'))
const lengths = (await objectivesReference(['make', SEED, scratch]))[FAMILY]
rmSync(join(here, 'model'), { recursive: true, force: true })
cpSync(join(scratch, FAMILY), join(here, 'model'), { recursive: true })
rmSync(scratch, { recursive: true })

const runs = await referenceRuns(join(here, 'model'), lengths)
writeFileSync(join(here, 'expected.json'), `${JSON.stringify({ lengths, runs }, null, 1)}\n`)
