// `npm test`: the whole default suite. Arguments go to vitest (`npm test -- test/kv`).
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { build, install, root } from './setup.mjs'

install()
build()
const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
const done = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(done.status ?? 1)
