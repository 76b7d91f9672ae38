/** MMLU (Hendrycks et al. 2021, arXiv 2009.03300): 57 subjects, four options, the letter is the answer. */
import { LETTERED_COLUMNS, LETTERS, lettered } from './lettered'
import { acc } from './metrics'
import { groupsOf } from './subjects'
import type { ChoiceTask } from './task'

const SUBJECTS = {
  stem: `abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science college_mathematics
    college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology
    high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics
    machine_learning`,
  other: `business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing
    medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology`,
  social_sciences: `econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics
    high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations
    security_studies sociology us_foreign_policy`,
  humanities: `formal_logic high_school_european_history high_school_us_history high_school_world_history
    international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory
    professional_law world_religions`,
}

const subject = (config: string): ChoiceTask => ({
  kind: 'choices',
  name: `mmlu_${config}`,
  version: '1.0',
  about: config.replaceAll('_', ' '),
  source: {
    folders: ['mmlu', 'hendrycks_test'],
    config,
    columns: LETTERED_COLUMNS,
    csv_columns: ['question', ...LETTERS, 'answer'],
  },
  split: 'test',
  shots: { split: 'dev', pick: 'first' },
  description: `The following are multiple choice questions (with answers) about ${config.replaceAll('_', ' ')}.\n\n`,
  question: (doc) => lettered(doc, 'Answer:'),
  metrics: { acc },
})

export const { tasks: MMLU, groups: MMLU_GROUPS } = groupsOf(
  'mmlu',
  'knowledge of 57 subjects',
  SUBJECTS,
  subject,
)
