/** Kinds of probes by the word of the config. */
import type { OneProbe } from '../../config/probe'
import type { ProbeKind } from './kind'
import { frames } from './kinds/frames'
import { sequence } from './kinds/sequence'
import { utterance } from './kinds/utterance'

export const KINDS: Readonly<Record<OneProbe['kind'], ProbeKind>> = { utterance, frames, sequence }
