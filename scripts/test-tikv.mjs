// `npm run test:tikv`: the suites that need a cluster on the one that PD_ENDPOINTS names (with `-- --fake` on the fake one, to try the command). They make
// keyspaces of their own and leave everything else alone. More arguments go to vitest. TEST_REPORTS names a directory for reports as JSON.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { build, buildFakeTikv, install, root } from './setup.mjs'

/**
 * One after the other: the recorded conversations want the cluster to themselves. test/isolation/interleavings.test.ts is not among them: it holds every wait
 * against PostgreSQL's, and shared row locks exclude one another on TiKV.
 */
const SUITES = [
  ['test/tikv/golden.test.ts'],
  [
    'test/kv/tikv.test.ts',
    'test/kv/tikv-client.test.ts',
    'test/sql/slt.test.ts',
    'test/isolation/concurrency.test.ts',
    'test/isolation/foreign-keys.test.ts',
    'test/isolation/schema-changes.test.ts',
  ],
]

const args = process.argv.slice(2)
const onFake = args.includes('--fake')
const rest = args.filter((arg) => arg !== '--fake')
let endpoints = process.env.PD_ENDPOINTS
if (endpoints === undefined && !onFake) {
  console.error('test:tikv needs PD_ENDPOINTS=host:port[,host:port…] of a cluster with storage.api-version = 2 (or -- --fake)')
  process.exit(2)
}
install()
build()
let fake = null
if (onFake) {
  buildFakeTikv()
  fake = spawn(process.execPath, [path.join(root, 'dist-test', 'test', 'fake-tikv', 'main.js'), '--stores', '1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: fake.stdout }).once('line', resolve)
    fake.once('exit', (code) => reject(new Error(`the fake cluster ended with ${code}`)))
  })
  endpoints = JSON.parse(line).pd
}
const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
const runs = rest.some((arg) => arg.startsWith('test/')) ? [[]] : SUITES
let failed = 0
for (const [i, files] of runs.entries()) {
  // asynchronous: what the fake cluster says must be read meanwhile
  const reports = process.env.TEST_REPORTS
  const reporters = reports === undefined ? [] : ['--reporter=default', '--reporter=json', `--outputFile.json=${reports}/tikv-${i}.json`]
  const child = spawn(process.execPath, [vitest, 'run', ...files, ...reporters, ...rest], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PD_ENDPOINTS: endpoints, ...(onFake ? { FAKE_TIKV: '1' } : {}) },
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  failed ||= code ?? 1
}
fake?.stdin.end()
process.exit(failed)
