/** TMMLU+ (Tam et al. 2024, arXiv 2403.01858): 67 subjects in Traditional Chinese, laid out as MMLU. */
import { LETTERED_COLUMNS, lettered } from './lettered'
import { acc, accNorm } from './metrics'
import { groupsOf } from './subjects'
import type { ChoiceTask } from './task'

const SUBJECTS = {
  other: `accounting agriculture auditing business_management culinary_skills dentistry finance_banking
    financial_analysis fire_science insurance_studies junior_social_studies logic_reasoning management_accounting
    marketing_management mechanical music nautical_science official_document_management optometry pharmacology
    real_estate technical trade traditional_chinese_medicine_clinical_medicine tve_design veterinary_pathology
    veterinary_pharmacology`,
  humanities: `administrative_law anti_money_laundering general_principles_of_law introduction_to_law jce_humanities taxation
    trust_practice`,
  STEM: `advance_chemistry basic_medical_science computer_science engineering_math junior_chemistry junior_math_exam
    junior_science_exam linear_algebra organic_chemistry pharmacy physics secondary_physics
    statistics_and_machine_learning tve_mathematics tve_natural_sciences`,
  social_sciences: `chinese_language_and_literature clinical_psychology economics education education_(profession_level)
    educational_psychology geography_of_taiwan human_behavior junior_chinese_exam macroeconomics
    national_protection occupational_therapy_for_psychological_disorders physical_education politic_science
    taiwanese_hokkien three_principles_of_people ttqav2 tve_chinese_language`,
}

const subject = (config: string): ChoiceTask => ({
  kind: 'choices',
  name: `tmmluplus_${config}`,
  version: '2.0',
  about: config.replaceAll('_', ' '),
  source: { folders: ['tmmluplus'], config, columns: LETTERED_COLUMNS },
  split: 'test',
  shots: { split: 'train', pick: 'first' },
  texts: { file: `tmmluplus_${config}.yaml`, keys: ['description'] },
  question: (doc) => lettered(doc, 'Answer:'),
  metrics: { acc, acc_norm: accNorm },
})

export const { tasks: TMMLUPLUS, groups: TMMLUPLUS_GROUPS } = groupsOf(
  'tmmluplus',
  'knowledge of 67 subjects, in Traditional Chinese',
  SUBJECTS,
  subject,
)
