// doctor: what was found on this machine, what is missing, and the command that mends it. Works with nothing in place.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { findAddon, inClone, missingAddon } from '../addon/find'
import type { AddonFile } from '../addon/record'
import { checkPlatform } from '../addon/system'
import { TongueforgeError, toTongueforgeError } from '../errors'
import { checkPackage, findLibtorch, missingLibtorch } from '../libtorch'
import type { Libtorch } from '../libtorch_folders'
import { type CudaDevice, native } from '../native'

export interface Problem {
  code: string
  message: string
  hint: string
}

/** The answer of `doctor`, and what `tongueforge doctor --json` prints. Nulls: not found. */
export interface DoctorReport {
  /** No problem was found: models can be run. */
  ok: boolean
  /**
   * cuda_kernels: whether it was built with ours; null where it does not load. package: the prebuilt one that it came
   * in; null for one that was built here.
   */
  addon: { version: string | null; package: string | null; cuda_kernels: boolean | null }
  /** cuda: the CUDA version that this libtorch was built with, null for a CPU build. */
  libtorch: { version: string | null; path: string | null; cuda: string | null }
  /** The GPUs that this addon can use. */
  devices: CudaDevice[]
  /** Why there are none, in CUDA's words; null where there are. */
  devices_problem: string | null
  /** Version of Node. */
  node: string
  /** Threads that tensor operations use unless told otherwise. */
  threads: number
  /** What stands against running models: code, message and what to do. */
  problems: Problem[]
}

/** Looks at Node, the platform, libtorch and the addon, and loads what is there. Never rejects. */
export async function doctor(): Promise<DoctorReport> {
  const problems: Problem[] = []
  const addon = findAddon()
  checked(problems, checkNode)
  checked(problems, checkPlatform)
  const libtorch = checked(problems, () => foundLibtorch(addon))
  if (!addon) problems.push(problemOf(addonProblem()), ...missingTools())
  const fits = addon && checked(problems, () => fitting(addon))
  const runtime = fits && libtorch && checked(problems, () => native().runtimeInfo())
  return {
    ok: problems.length === 0,
    addon: {
      version: addon?.record.version ?? null,
      package: addon?.package ?? null,
      cuda_kernels: runtime?.cuda_kernels ?? null,
    },
    libtorch: {
      version: libtorch?.version ?? null,
      path: libtorch?.path ?? null,
      cuda: libtorch?.cuda ?? null,
    },
    ...(runtime ? foundDevices() : { devices: [], devices_problem: null }),
    node: process.version,
    threads: runtime?.threads ?? availableParallelism(),
    problems,
  }
}

/** The answer of a look, or undefined with its failure noted as a problem. */
function checked<T>(problems: Problem[], look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    problems.push(problemOf(toTongueforgeError(error)))
    return undefined
  }
}

function problemOf({ code, message, hint = '' }: TongueforgeError): Problem {
  return { code, message, hint }
}

function foundLibtorch(addon: AddonFile | undefined): Libtorch {
  const found = findLibtorch(addon?.record)
  if (!found) throw missingLibtorch()
  return found
}

/** What is missing: the addon, or a machine that has one. */
function addonProblem(): TongueforgeError {
  try {
    return missingAddon()
  } catch (error) {
    return toTongueforgeError(error)
  }
}

function fitting(addon: AddonFile): AddonFile {
  checkPackage(addon)
  return addon
}

function foundDevices(): Pick<DoctorReport, 'devices' | 'devices_problem'> {
  const { devices, problem } = native().cudaDevices()
  return { devices, devices_problem: problem || null }
}

function checkNode(): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 20) return
  throw new TongueforgeError('ERR_PLATFORM', `expected Node 20 or newer, received ${process.version}`, {
    hint: 'install a newer Node',
  })
}

// What the set-up starts; looked for only in a clone whose addon is yet to be built.
const TOOLS = [
  { names: ['cmake'], what: 'CMake', install: 'apt install cmake' },
  { names: ['c++', 'g++', 'clang++'], what: 'a C++20 compiler', install: 'apt install g++' },
  { names: ['ninja', 'make'], what: 'Ninja or make', install: 'apt install ninja-build' },
  { names: ['python3'], what: 'python3 with pip', install: 'apt install python3 python3-pip' },
]

function missingTools(): Problem[] {
  if (!inClone()) return []
  const missing = TOOLS.filter(({ names }) => !names.some(onPath))
  return missing.map(({ what, install }) => ({
    code: 'ERR_TOOL',
    message: `the build needs ${what}, not found on the PATH`,
    hint: `on Debian and Ubuntu: ${install}`,
  }))
}

function onPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)))
}
