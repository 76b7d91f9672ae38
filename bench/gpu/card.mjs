// The GPU that bench/gpu.mjs measures, the build for it, and where its libraries lie.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findLibtorch } from '#lib/libtorch'
import { native } from '#lib/native'
import { buildFolder } from '../../scripts/native_build.mjs'
import { root } from '../../scripts/steps.mjs'

/** Whether the system shows a GPU at all: asked before anything is built for it. */
export const seesGpu = () => ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dxg'].some((path) => existsSync(path))

/** The folder of the build for a device: that for CUDA where there is one. */
function folderFor(device) {
  const forCuda = join(root, buildFolder({ cuda: true }))
  return device !== 'cpu' && existsSync(forCuda) ? forCuda : join(root, buildFolder({}))
}

/** Lets this process and those it starts load the addon for the device, unless TONGUEFORGE_ADDON names one. */
export function chooseAddon(device) {
  process.env.TONGUEFORGE_ADDON ??= join(folderFor(device), 'Release/tongueforge.node')
}

export const nativeTests = (device) => process.env.NATIVE_TESTS ?? join(folderFor(device), 'native_tests')

/** Throws where the device is not there. */
export function checkDevice(device) {
  if (device === 'cpu') return
  const { gpus } = native().runtimeInfo()
  if (Number(device.split(':')[1] ?? 0) >= gpus) throw new Error(`libtorch sees ${gpus} GPUs`)
}

/** LD_LIBRARY_PATH of the native test program: libtorch, and CUDA's own libraries beside it. */
export function libraryPath() {
  const torch = findLibtorch().path
  const nvidia = join(torch, '..', 'nvidia')
  const parts = existsSync(nvidia) ? readdirSync(nvidia).map((name) => join(nvidia, name, 'lib')) : []
  return [join(torch, 'lib'), ...parts, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':')
}
