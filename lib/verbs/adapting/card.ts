/** What the card of an adapted model says: where it comes from, what was tried, the table, the rule, what is to be filled in. */
import type { ModelCard } from '../../checkpoint/model_card'
import type { AdaptConfig } from '../../config/adapt'
import { UNDETERMINED } from '../../text/language/tag'
import { primaryRows, valueText } from '../reporting/paper_tables'
import { languageName } from '../reporting/words'
import { START } from './plan'
import type { Publication } from './publish'
import type { AdaptReport } from './report'

export function cardOf({ config, report, library, smaller }: Publication, name: string): ModelCard {
  const { chat, base, card } = config
  const picked = report.arms.find((arm) => arm.name === report.pick.picked)!
  return {
    title: `${card.title ?? name}${smaller ? ', made smaller' : ''}`,
    summary: `${card.base_model ?? chat}, adapted to ${languageName(config.language)} by ${picked.about}${smaller ? ', then made smaller' : ''}.`,
    origins: { chat: { path: chat }, ...(base !== undefined && { base: { path: base } }) },
    library,
    front: frontOf(config),
    sections: [
      { title: 'What it is worth', text: `${tableText(report)}\n\n${WORTH}` },
      {
        title: 'How it was picked',
        text: `The rule: ${report.pick.rule}.\n\nWhat came of it: ${report.pick.reason}.`,
      },
      {
        title: 'What was tried',
        text: report.arms.map(({ name: arm, about }) => `- ${arm}: ${about}`).join('\n'),
      },
      { title: 'Texts', text: textsOf(config) },
      { title: 'To be filled in', text: TO_FILL_IN },
    ],
    config,
  }
}

function frontOf({ language, chat, card }: AdaptConfig): Record<string, unknown> {
  const [tag] = Intl.getCanonicalLocales(language)
  return {
    base_model: card.base_model ?? chat,
    ...(tag !== UNDETERMINED && { language: [tag!.split('-')[0]!] }),
    ...(tag!.includes('-') && { language_bcp47: [tag] }),
    pipeline_tag: 'text-generation',
    ...(card.datasets && { datasets: card.datasets }),
    ...(card.license !== undefined && { license: card.license }),
  }
}

const WORTH =
  'Shares are of a hundred; each task by its usual metric, start and arms on the same documents. ' +
  'All numbers, with errors and differences, are in report.json.'

/** Models by rows, tasks by columns. */
function tableText({ results, pick, measures }: AdaptReport): string {
  const rows = primaryRows(results, measures)
  const tasks = [...new Set(rows.map(({ task }) => task))]
  const models = [...new Set(rows.map(({ model }) => model))]
  const title = (task: string) => `${task}, ${rows.find((row) => row.task === task)!.metric}`
  const cell = (model: string, task: string) => {
    const found = rows.find((row) => row.model === model && row.task === task)
    return found ? valueText(found) : '–'
  }
  const shown = (model: string) =>
    model === START ? 'the chat model before' : model === pick.picked ? `**${model}**` : model
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(['model', ...tasks.map(title)]),
    line(['---', ...tasks.map(() => '---')]),
    ...models.map((model) => line([shown(model), ...tasks.map((task) => cell(model, task))])),
  ].join('\n')
}

function textsOf({ corpus, instructions, preferences, held_out }: AdaptConfig): string {
  const roles = { corpus, instructions, preferences, ...held_out }
  return Object.entries(roles)
    .flatMap(([role, sources]) =>
      (sources ?? []).map(({ path }) => `- ${role}: \`${path}\`, licence: to be stated`),
    )
    .join('\n')
}

const TO_FILL_IN = [
  '- Licences of the texts above, and whether that of the result follows from them.',
  '- Who made the model, and whom to ask.',
  '- What it is for, what it is not for, and what is known to go wrong.',
].join('\n')
