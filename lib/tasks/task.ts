/** What a benchmark is: where its documents lie, what is asked of each, and how answers are counted. */
import type { DocTemplate } from '../text/doc_template'
import type { Alphabets } from '../text/language/alphabets'
import type { Conversation, GenerationSettings, Measure } from './generation'
import type { Metric, Perplexity } from './metrics'

/** A record of a data set, as its file has it. */
export type Doc = Readonly<Record<string, unknown>>

/** One document as a question with given answers: the likeliest one is the model's. */
export interface Question {
  /** Stands before all else, where the document decides it. */
  description?: string
  /** What stands before the answers; a text for each of them where the answer is part of it (WinoGrande). */
  context: string | readonly string[]
  /** Without the blank before them. */
  answers: readonly string[]
  /** Place of the right one among the answers, from 0; -1 where it is none. A list where several are right. */
  gold: number | readonly number[]
}

/** Where examples before a question come from, and which they are. */
export interface Shots {
  split: Split
  /** `first`: the first ones; `random`: drawn anew for each document, by a generator that goes on from one to the next. */
  pick: 'first' | 'random'
  /** One more is drawn, and one that is the document itself is left out. */
  without_self?: boolean
  /** There are never any: the prompt has its own. */
  none?: true
}

/** `train`, `validation`, `test`, `dev`; a user's task may call its own as it likes. */
export type Split = string

export interface DataSource {
  /** Folders below the data folder that may hold it; the first is the usual one. */
  folders: readonly string[]
  /** Subset of the data set. */
  config?: string
  /** Further names of files, without ending, beside the usual ones (data.ts): `mc_task`, `{split}_xl`. */
  files?: readonly string[]
  /** Fields of a record that are used, as columns of Parquet; none named: all. */
  columns: readonly string[]
  /** Names of the columns of a .csv that has no head. */
  csv_columns?: readonly string[]
  /** The files of each split, where a user's task names them. */
  paths?: Readonly<Record<Split, readonly string[]>>
}

/** Texts that define a benchmark and are no part of this program. */
export interface FixedTexts {
  description?: string
  doc_to_text?: DocTemplate
}

interface TaskRow {
  name: string
  /** Of the protocol, as lm-evaluation-harness numbers it. */
  version: string
  /** One line for the table in the docs. */
  about: string
  source: DataSource
  /** The split that is evaluated. */
  split: Split
  /** Of a user's task: where it stands. */
  file?: string
  /** A task file of the harness that has to lie in the data folder, for the texts in it that are named here. */
  texts?: { file: string; keys: readonly (keyof FixedTexts)[] }
}

/** How a prompt is laid out, and its examples. */
interface PromptRow {
  /** Stands before all else; as a text of its own only where it is short, else among `texts`. */
  description?: string
  /** In its place, where the document decides it. Throws ERR_DATA, ERR_TEMPLATE. */
  descriptionOf?(doc: Doc): string
  /** Stands between a question and its answer, and between examples. */
  target_delimiter?: string
  fewshot_delimiter?: string
  /** Examples where none are asked for. */
  num_fewshot?: number
}

export interface ChoiceTask extends TaskRow, PromptRow {
  kind: 'choices'
  shots: Shots
  question(doc: Doc, texts: FixedTexts): Question
  /** By the name under which the harness tells it; the first is the one that models are compared by. */
  metrics: Readonly<Record<string, Metric>>
}

/** Text that is foretold from its beginning to its end. */
export interface RollingTask extends TaskRow {
  kind: 'rolling'
  text(doc: Doc): string
  /** What words and bytes are counted of. */
  counted(doc: Doc): string
  /** By name, in the order in which they are told. */
  perplexities: Readonly<Record<string, Perplexity>>
}

/** Conversations that are answered: the answers are measured. */
export interface GenerationTask extends TaskRow, PromptRow {
  kind: 'generation'
  /** Where examples come from; without it there are never any. Their answers are the targets. */
  shots?: Shots
  /** What a document asks. Throws ERR_DATA for a record of another layout, ERR_TEMPLATE. */
  conversation(doc: Doc): Conversation
  /** By name; the first is the one that models are compared by. */
  measures: Readonly<Record<string, Measure>>
  /** Where neither config nor document say otherwise. */
  generation?: Partial<GenerationSettings>
  /** What a document belongs to, where parts are told too: a domain, a language. Throws ERR_DATA. */
  partOf?(doc: Doc): string
  /** Languages that are told apart by their letters, in place of a detector. */
  alphabets?: Alphabets
  /** A judge may look at the answers: documents are questions as FastChat writes them. */
  judged?: {
    /** Files that may hold the reference answers, from the data folder; the first that is there is read. */
    references: readonly string[]
    /** That answers should be in, as the judge calls it; default: what the config says. */
    language?: string | undefined
  }
}

export type Task = ChoiceTask | RollingTask | GenerationTask

/** Tasks that are told together: the mean over all their documents. */
export interface TaskGroup {
  name: string
  about: string
  tasks: readonly string[]
}
