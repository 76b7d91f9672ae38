// Opens libtorch, then the addon on top of it: the addon has no path to libtorch in it, and finds it by the names of
// libraries that are already in the process.
import { constants } from 'node:os'
import { join } from 'node:path'

// NODELETE keeps the library when Node closes it.
const RTLD_NODELETE = 0x1000

/** Loads the addon on the libtorch in a folder; answers with its exports. Throws what the loader of the system says. */
export function loadOn(libtorch: string, addon: string): unknown {
  // A thread that waits for the others should sleep, not spin. Alone on two cores spinning gives small steps 1.2 times
  // the speed; beside two busy processes sleeping gives 2.7 times (bench/wait_policy.mjs). Read when OpenMP is loaded.
  process.env.OMP_WAIT_POLICY ??= 'PASSIVE'
  preload(join(libtorch, 'lib', 'libtorch.so')) // needs all the others
  return require(addon)
}

// process.dlopen opens any library and then complains that it is no addon: the complaint is the success.
function preload(library: string): void {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | RTLD_NODELETE)
  } catch (error) {
    if (!/did not self-register/.test((error as Error).message)) throw error
  }
}
