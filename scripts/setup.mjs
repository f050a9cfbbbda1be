// Set-up shared by start, build and test: install what is missing, build what is stale. Node's own modules only, since nothing is installed yet.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const at = (...parts) => path.join(root, ...parts)

/** Runs a program to its end with its output on stderr (stdout belongs to the server's ready line); ends this process if it fails. */
function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (done.status !== 0) {
    console.error(`pg-keyspace: '${command} ${args.join(' ')}' failed`)
    process.exit(done.status ?? 1)
  }
}

/** Installs the dependencies when the lock file is newer than what is installed. */
export function install() {
  const marker = at('node_modules', '.package-lock.json')
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(at('package-lock.json')).mtimeMs) return
  // Not `npm ci`: it refuses a lock file without the optional packages of other platforms, which not every registry mirror holds.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund'])
}

function newest(dir) {
  let latest = statSync(dir).mtimeMs
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name)
    latest = Math.max(latest, entry.isDirectory() ? newest(file) : statSync(file).mtimeMs)
  }
  return latest
}

/** Compiles with `project` into `out`, from scratch, when one of the source directories is newer than the last complete build. */
function compile(project, out, ...dirs) {
  const stamp = at(out, '.built')
  const sources = Math.max(
    ...dirs.map((dir) => newest(at(...dir.split('/')))),
    statSync(at(project)).mtimeMs,
    statSync(at('package-lock.json')).mtimeMs,
  )
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= sources) return
  rmSync(at(out), { recursive: true, force: true })
  run(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', project])
  writeFileSync(stamp, '')
}

/** The product: src/ into dist/. */
export function build() {
  compile('tsconfig.build.json', 'dist', 'src')
}

/** The fake TiKV cluster, with what it shares with the product, into dist-test/. */
export function buildFakeTikv() {
  compile('tsconfig.fake-tikv.json', 'dist-test', 'test/fake-tikv', 'src/storage/tikv/proto', 'src/base')
}
