#!/usr/bin/env node
// What prebuildify runs in place of node-gyp, in the folder of a package: puts the addon that cmake-js has built into
// its build/Release, where prebuildify strips it and moves it on to prebuilds/. The arguments (rebuild, --target...)
// are for node-gyp alone: an addon of Node-API has no headers of one Node version to fetch.
// TONGUEFORGE_BUILD: the build to take, from the project's root.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolders, root } from '../steps.mjs'

const release = join(process.cwd(), 'build', 'Release')
makeFolders(release)
copyFileSync(join(root, process.env.TONGUEFORGE_BUILD), join(release, 'tongueforge.node'))
