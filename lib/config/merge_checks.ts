/** What a schema of keys cannot say of a merge: keys of other tools, what a method needs, parameters it does not have. */
import { type MergeConfig, mergeSchema } from './merge'
import { MERGE_METHODS, type MergeMethod, type MethodParameter } from './merge_methods'
import { numbersOf, type ParameterTable, type ParameterValue } from './merge_parameters'
import { checkConfig, configError, keyError, suggestion } from './parse'

/** Keys of other programs of mergekit, and why they are no merge of this kind. */
const REFUSED: Record<string, string> = {
  modules: 'models of several modules, such as vision and language, are not merged',
  experts: 'a mixture of experts (mergekit-moe) is another architecture',
  experts_per_token: 'a mixture of experts (mergekit-moe) is another architecture',
  shared_experts: 'a mixture of experts (mergekit-moe) is another architecture',
  gate_mode: 'a mixture of experts (mergekit-moe) is another architecture',
  genome: 'a search over merges (mergekit-evolve) is another program',
  donor: 'a transplanted tokenizer (mergekit-tokensurgeon) is another program',
  approximation_method: 'a transplanted tokenizer (mergekit-tokensurgeon) is another program',
}
const INSTEAD: Record<string, string> = {
  modules: 'Merge the language models alone.',
  genome: '`tongueforge sweep` searches scales of a chat vector.',
  donor: '`tokenizer: {source: MODEL}` aligns rows by the text of tokens.',
  approximation_method: '`tokenizer: {source: MODEL}` aligns rows by the text of tokens.',
}

/**
 * A config of `merge`, complete and checked as far as it can be without the models. `file` is named in errors.
 * Throws ERR_CONFIG with the key.
 */
export function checkMergeConfig(raw: unknown, file: string): MergeConfig {
  refuseOtherPrograms(raw, file)
  const config = checkConfig(mergeSchema, raw, file)
  const refuse: Refuse = (key, problem, hint) => {
    throw keyError(file, key, problem, hint)
  }
  exactlyOne(config, 'models', 'slices', refuse)
  if (config.tokenizer !== undefined && config.tokenizer_source !== undefined)
    refuse(
      'tokenizer_source',
      'expected tokenizer or tokenizer_source, received both',
      'Keep tokenizer.source.',
    )
  checkTemplate(config, refuse)
  const method = MERGE_METHODS[config.merge_method]!
  checkParameters(config, method, refuse)
  if (config.models) checkModels(config, method, refuse)
  const { slices = [] } = config
  for (const [i, slice] of slices.entries()) checkSlice(config, slice, `slices.${i}`, method, refuse)
  if (config.slices) {
    const models = slices.flatMap(({ sources }) => sources.map(({ model }) => model))
    checkListed(
      config,
      { base: config.base_model, key: 'base_model', models, list: 'slices' },
      method,
      refuse,
    )
  }
  return config
}

const WHERE_METHODS_STAND = 'docs/merge.md lists the methods, and what each takes.'

type Refuse = (key: string, problem: string, hint?: string) => never

function refuseOtherPrograms(raw: unknown, file: string): void {
  if (typeof raw !== 'object' || raw === null) return
  const key = Object.keys(REFUSED).find((name) => name in raw)
  if (key === undefined) return
  throw configError(file, `${key}: not supported: ${REFUSED[key]}`, {
    key,
    hint: INSTEAD[key] ?? 'mergekit-moe makes such a model; its parts can be merged here first.',
  })
}

function exactlyOne(config: MergeConfig, first: 'models', second: 'slices', refuse: Refuse): void {
  const given = [first, second].filter((key) => config[key as 'models' | 'slices'] !== undefined)
  if (given.length === 1) return
  const received = given.length === 0 ? 'neither' : 'both'
  refuse(
    first,
    `expected ${first} or ${second}, received ${received}`,
    'models: [{model: PATH, parameters: {}}]',
  )
}

export const TEMPLATE_NAMES = ['auto', 'chatml', 'llama3', 'mistral', 'alpaca', 'exaone'] as const
const LEAST_TEMPLATE = 20

function checkTemplate({ chat_template: given }: MergeConfig, refuse: Refuse): void {
  if (given === undefined || (TEMPLATE_NAMES as readonly string[]).includes(given)) return
  if (given.length >= LEAST_TEMPLATE && given.includes('{')) return
  refuse(
    'chat_template',
    `expected ${TEMPLATE_NAMES.join(', ')}, or a template in Jinja, received ${JSON.stringify(given)}`,
    suggestion(given, TEMPLATE_NAMES),
  )
}

/** Every table of parameters of a config, where it stands, and whether it is of one model. */
export function parameterTables(
  config: MergeConfig,
): { key: string; table: ParameterTable; model: boolean }[] {
  const slices = config.slices ?? []
  return [
    { key: 'parameters', table: config.parameters, model: false },
    ...(config.models ?? []).map((input, i) => ({
      key: `models.${i}.parameters`,
      table: input.parameters,
      model: true,
    })),
    ...slices.flatMap((slice, i) => [
      { key: `slices.${i}.parameters`, table: slice.parameters, model: false },
      ...slice.sources.map((source, j) => ({
        key: `slices.${i}.sources.${j}.parameters`,
        table: source.parameters,
        model: true,
      })),
    ]),
  ]
}

function checkParameters(config: MergeConfig, method: MergeMethod, refuse: Refuse): void {
  for (const { key, table, model } of parameterTables(config))
    for (const [name, value] of Object.entries(table ?? {})) {
      const parameter = Object.hasOwn(method.parameters, name) ? method.parameters[name] : undefined
      const place = `${key}.${name}`
      if (parameter === undefined) refuseUnknown(config.merge_method, method, { name, place }, refuse)
      else checkParameter(parameter, value, { place, model }, refuse)
    }
}

function refuseUnknown(
  called: string,
  { parameters }: MergeMethod,
  { name, place }: { name: string; place: string },
  refuse: Refuse,
): void {
  const known = Object.keys(parameters)
  const hint = known.length > 0 ? suggestion(name, known) : `${called} has no parameters.`
  refuse(place, `no parameter of ${called}`, hint)
}

function checkParameter(
  parameter: MethodParameter,
  value: ParameterValue,
  { place, model }: { place: string; model: boolean },
  refuse: Refuse,
): void {
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY, above } = parameter
  if (model && parameter.per === 'tensor')
    refuse(
      place,
      'a parameter of the whole merge, not of one model',
      'Move it to parameters at the top level.',
    )
  const outside = numbersOf(value).find(
    (number) => !(number >= least && number <= most) || (above && number === least),
  )
  if (outside !== undefined)
    refuse(place, `expected numbers ${boundsText(parameter)}, received ${outside}`, WHERE_METHODS_STAND)
}

function boundsText({ least, most, above }: MethodParameter): string {
  const from = `${above ? 'above' : 'from'} ${least}`
  return most === undefined ? `${from}${above ? '' : ' on'}` : `${from} to ${most}`
}

function checkModels(config: MergeConfig, method: MergeMethod, refuse: Refuse): void {
  const models = config.models!.map(({ model }) => model)
  const base = config.base_model
  if (method.base === 'required' && base === undefined) refuseBase(config, 'base_model', refuse)
  checkListed(config, { base, key: 'base_model', models, list: 'models' }, method, refuse)
  const inputs = method.base === 'none' ? models : models.filter((model) => model !== base)
  checkCount(config, inputs.length, 'models', method, refuse)
}

function checkSlice(
  config: MergeConfig,
  slice: NonNullable<MergeConfig['slices']>[number],
  key: string,
  method: MergeMethod,
  refuse: Refuse,
): void {
  const lengths = slice.sources.map(({ layer_range: [first, end] }) => end - first)
  if (new Set(lengths).size > 1)
    refuse(
      `${key}.sources`,
      `expected layer ranges of equal length, received ${lengths.join(', ')} layers`,
      'Layers are merged one by one: give each source as many.',
    )
  const base = slice.base_model ?? config.base_model
  if (method.base === 'required' && base === undefined) refuseBase(config, 'base_model', refuse)
  if (method.base === 'none' && slice.base_model !== undefined)
    refuse(
      `${key}.base_model`,
      `expected none, as ${config.merge_method} has no base, received ${slice.base_model}`,
      'Leave it out; base_model of the whole merge gives config.json.',
    )
  const others = slice.sources.filter(({ model }) => method.base === 'none' || model !== base)
  checkCount(config, others.length, `${key}.sources`, method, refuse)
}

/** Of a method without a base: the model only gives config.json, so it has to be one of those that are merged. */
function checkListed(
  { merge_method }: MergeConfig,
  { base, key, models, list }: { base: string | undefined; key: string; models: string[]; list: string },
  method: MergeMethod,
  refuse: Refuse,
): void {
  if (method.base !== 'none' || base === undefined || models.includes(base)) return
  refuse(
    key,
    `expected one of the models, as ${merge_method} has no base of its own, received ${base}`,
    `List it under ${list}${method.parameters.weight ? ' with its weight' : ''}, or leave base_model out.`,
  )
}

function refuseBase({ merge_method }: MergeConfig, key: string, refuse: Refuse): never {
  return refuse(
    key,
    `expected the model that ${merge_method} counts from, received nothing`,
    'base_model: PATH, say of the model that the others were made from.',
  )
}

function checkCount(
  config: MergeConfig,
  count: number,
  key: string,
  { inputs, base }: MergeMethod,
  refuse: Refuse,
) {
  const { least, most } = inputs
  if (count >= least && count <= most) return
  const wanted =
    least === most ? `${least}` : Number.isFinite(most) ? `${least} to ${most}` : `${least} or more`
  refuse(
    key,
    `expected ${wanted} model${wanted === '1' ? '' : 's'}${base === 'none' ? '' : ' besides base_model'} for ` +
      `${config.merge_method}, received ${count}`,
    WHERE_METHODS_STAND,
  )
}
