/** All that comes before the weights are touched: which tensors and rows the result has, and what it is made of. */
import type { JsonObject } from '../../checkpoint/json_file'
import { areUniform } from '../../checkpoint/layers'
import { refuseFactored, specDifferences } from '../../checkpoint/spec_differences'
import type { MergeConfig } from '../../config/merge'
import { parameterTables } from '../../config/merge_checks'
import { filtersOf } from '../../config/merge_parameters'
import { configError, suggestion } from '../../config/parse'
import type { ConfigMergeInputs } from '../../native'
import { checkTogether, resultLayers } from './layers'
import { nativeInputs } from './native_inputs'
import { type MergeModel, type MergeModels, mergedOf, ownerOf } from './references'
import { resultConfig } from './result_config'
import { type PlannedSlice, planSlices } from './slices'
import { planTemplate, type TemplatePlan } from './template'
import { planTensors, type TensorPlan } from './tensors'
import { planVocabulary, type VocabularyPlan } from './vocabulary'

export interface MergePlan {
  slices: PlannedSlice[]
  tensors: TensorPlan
  vocabulary: VocabularyPlan
  template: TemplatePlan
  /** config.json of the result. */
  config: JsonObject
  native: ConfigMergeInputs
  warnings: string[]
}

/** Throws ERR_CONFIG, ERR_ARCHITECTURE, ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH, ERR_VOCABULARY, ERR_TOKENIZER. */
export async function planMerge(config: MergeConfig, models: MergeModels, file: string): Promise<MergePlan> {
  const specOf = (model: string) => models.get(model)!.spec
  const merged = mergedOf(config).map((model) => models.get(model)!)
  for (const model of merged) refuseFactored(named(model))
  const slices = planSlices(config, (model) => specOf(model).layers.length, file)
  const tensors = planTensors(config, slices, tensorsOf(models), file)
  const warnings = checkFilters(config, tensors, file)
  const vocabulary = await planVocabulary(config, models, file)
  const template = await planTemplate(config, models, vocabulary)
  const owner = models.get(ownerOf(config))!
  checkTogether(owner, merged)
  const layers = resultLayers(slices, specOf)
  const differences = specDifferences(named(owner), merged.map(named))
  const tokenizer = models.get(vocabulary.owner)!
  const { num_rows } = vocabulary
  const result = resultConfig({ owner, tokenizer, layers, plan: tensors, num_rows })
  const own = areUniform(layers) ? [] : ['layers differ in size: the result loads in tongueforge alone']
  return {
    slices,
    tensors,
    vocabulary,
    template,
    config: { ...result, ...endsOf(template) },
    native: nativeInputs(config, models, tensors, vocabulary),
    warnings: [...warnings, ...differences, ...own, ...vocabulary.warnings, ...template.warnings],
  }
}

/** A template of its own has ends of its own. */
function endsOf({ stopIds }: TemplatePlan): JsonObject {
  return stopIds.length === 0 ? {} : { eos_token_id: stopIds.length === 1 ? stopIds[0] : stopIds }
}

const tensorsOf = (models: MergeModels) =>
  new Map(
    [...models].map(([reference, { tensors, spec }]) => [
      reference,
      { tensors, tied: spec.tie_word_embeddings },
    ]),
  )

/** A filter that is part of no name would do nothing: refused, or, as mergekit takes it, told. */
function checkFilters(config: MergeConfig, { tensors }: TensorPlan, file: string): string[] {
  const warnings: string[] = []
  for (const { key, table } of parameterTables(config))
    for (const [name, value] of Object.entries(table ?? {}))
      for (const filter of filtersOf(value)) {
        if (tensors.some((tensor) => tensor.name.includes(filter))) continue
        const problem = `${key}.${name}: no tensor has '${filter}' in its name`
        if (config.compat === undefined)
          throw configError(file, problem, { key, hint: nearest(filter, tensors) })
        warnings.push(problem)
      }
  return warnings
}

// Names are long, filters short: parts of names are compared.
function nearest(filter: string, tensors: TensorPlan['tensors']): string | undefined {
  const parts = tensors.flatMap(({ name }) => name.split('.').filter((part) => !/^\d+$/.test(part)))
  return suggestion(filter, [...new Set(parts)])?.replace('Known keys', 'Parts of names')
}

const named = ({ reference, spec }: MergeModel) => ({ name: reference, spec })
