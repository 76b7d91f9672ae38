import type { CudaDevice } from '../native'
import { type DoctorReport, doctor } from '../verbs/doctor'
import { JSON_OPTION } from './options'
import { factsText, jsonText } from './print'
import { bytes } from './progress'
import { defineVerb } from './verb'

export default defineVerb({
  name: 'doctor',
  summary: 'say what was found on this machine, what is missing, and how to mend it',
  arguments: [],
  options: [JSON_OPTION],
  examples: ['doctor', 'doctor --json'],
  async run(_args, _values, io) {
    const report = await doctor()
    io.write(io.json ? jsonText(report) : reportText(report))
    return report.ok ? 0 : 1
  },
})

function described({ device, name, memory_bytes, compute_capability }: CudaDevice): string {
  return `${device} ${name} (${bytes(memory_bytes)}, compute capability ${compute_capability})`
}

function addonText({ version, package: name, cuda_kernels }: DoctorReport['addon']): string {
  if (version === null) return 'not built'
  return `${version}${name ? ` of ${name}` : ''}${cuda_kernels ? ' with CUDA kernels' : ''}`
}

function reportText({
  addon,
  libtorch,
  devices,
  devices_problem,
  node,
  threads,
  problems,
}: DoctorReport): string {
  const kind = libtorch.cuda === null ? 'for the CPU' : `for CUDA ${libtorch.cuda}`
  const facts = factsText({
    addon: addonText(addon),
    libtorch: libtorch.version === null ? 'not found' : `${libtorch.version}, ${kind}, in ${libtorch.path}`,
    ...(libtorch.cuda !== null && {
      devices:
        devices.map(described).join(', ') || `no GPU found: ${devices_problem ?? 'the addon does not load'}`,
    }),
    node,
    threads,
  })
  const found = problems.map(({ code, message, hint }) => `\n${code}: ${message}\n  mend it: ${hint}\n`)
  return `${facts}${found.join('') || 'no problem found\n'}`
}
