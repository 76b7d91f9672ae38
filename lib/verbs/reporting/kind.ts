/** A kind of run that a report can tell of: one file in kinds/, a row in kinds.ts. */
import type { Block } from '../../report/blocks'
import type { KeyFigure } from '../../report/document'
import type { Folder } from './folder'

export interface Kind<Run = unknown> {
  /** What the page calls it. */
  title: string
  /** What `recognises` looks for, for an error. */
  looksFor: string
  recognises(folder: Folder): boolean
  /** Throws ERR_DATA for files that are damaged. */
  read(folder: Folder): Promise<Run>
  summary(run: Run, folder: Folder): Summary
  /** All that there is to see of one run; `files` begins the names of its files. */
  details(run: Run, folder: Folder, files: string): Promise<Block[]>
  /** Of several runs of this kind side by side. */
  together?(runs: readonly NamedRun<Run>[]): Promise<Block[]>
}

export interface Summary {
  /** What was done, in a sentence. */
  sentence: string
  /** The few numbers that matter: at most four. */
  figures: KeyFigure[]
  /** How far a run is that has not come to its end. */
  unfinished?: string
}

export interface NamedRun<Run> {
  name: string
  run: Run
}

/** Gives a kind the type of what it reads; a list of kinds forgets it again. */
export const defineKind = <Run>(kind: Kind<Run>): Kind => kind as unknown as Kind
