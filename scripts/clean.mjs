// npm run clean: removes what the build made; dependencies and the cached libtorch stay
// (`npx tongueforge setup --clean` removes the latter).
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './steps.mjs'

for (const folder of ['build', 'dist', 'demo-out'])
  rmSync(join(root, folder), { recursive: true, force: true })
