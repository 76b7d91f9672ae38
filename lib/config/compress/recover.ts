/** The stage `recover`: training on what the stages before have left. */
import { z } from 'zod'
import { recoveryKeys } from './recovery'

export const recoverSchema = z.strictObject({ method: z.literal('recover'), ...recoveryKeys })

export type RecoverStage = z.infer<typeof recoverSchema>
