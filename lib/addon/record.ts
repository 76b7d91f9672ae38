// Addons as files, and what the build says of each in tongueforge.json beside it.
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

export interface BuildRecord {
  /** Of tongueforge. */
  version: string
  torch_version: string
  /** The libtorch that it was built with; of a prebuilt package there is none on this machine. */
  torch_path?: string
  /** Whether that libtorch has CUDA. */
  cuda?: boolean
  /** Whether the addon has the CUDA kernels; without them, it computes on GPUs what libtorch has. */
  cuda_kernels?: boolean
  /** Of a prebuilt package: the hash of the addon, hexadecimal. */
  sha256?: string
  /** Of a prebuilt package: the oldest system libraries that will do, measured on the addon: "2.34", "3.4.30". */
  requires?: { glibc?: string; libstdcxx?: string }
}

export interface AddonFile {
  path: string
  record: BuildRecord
  /** The name of the prebuilt package that it came in; undefined for one that was built here. */
  package?: string
}

/** The folder of the main package: the clone, or node_modules/tongueforge. */
export const packageRoot = resolve(__dirname, '..', '..')

/** The record beside an addon; undefined where there is none: no record, no addon, but a build that was cut short. */
export function readRecord(addon: string): BuildRecord | undefined {
  try {
    const text = readFileSync(join(dirname(addon), 'tongueforge.json'), 'utf8')
    const record = JSON.parse(text) as Partial<BuildRecord>
    return record.version && record.torch_version ? (record as BuildRecord) : undefined
  } catch {
    return undefined
  }
}
