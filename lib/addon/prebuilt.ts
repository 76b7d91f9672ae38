// The prebuilt packages: one a platform, minor version of libtorch and kind of build. A new one is a row here; what
// makes, checks and finds it reads this table.

export interface PrebuiltPackage {
  /** As Node calls them. */
  platform: string
  arch: string
  /** The C library, where a platform has several. */
  libc?: 'glibc'
  /** The minor version of the libtorch that it is built with: "2.13". */
  torch: string
  /** CUDA's major version, of a build with our kernels for GPUs. */
  cuda?: number
  /** Whether such a package has been built and tried: only these come along with the main package. */
  built: boolean
}

/** One that has to be asked for by name (CUDA) stands before the one that comes along. */
export const PREBUILT_PACKAGES: readonly PrebuiltPackage[] = [
  { platform: 'linux', arch: 'x64', libc: 'glibc', torch: '2.11', cuda: 13, built: false },
  { platform: 'linux', arch: 'x64', libc: 'glibc', torch: '2.13', built: true },
  { platform: 'linux', arch: 'arm64', libc: 'glibc', torch: '2.13', built: false },
  { platform: 'darwin', arch: 'arm64', torch: '2.13', built: false },
]

/** `@tongueforge/linux-x64-torch2.13`, with `-cuda13` behind it for GPUs. */
export function packageName({ platform, arch, torch, cuda }: PrebuiltPackage): string {
  return `@tongueforge/${platform}-${arch}-torch${torch}${cuda === undefined ? '' : `-cuda${cuda}`}`
}

/** Those for a machine. */
export function packagesFor(platform: string, arch: string): PrebuiltPackage[] {
  return PREBUILT_PACKAGES.filter((one) => one.platform === platform && one.arch === arch)
}
