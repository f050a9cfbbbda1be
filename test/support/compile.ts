// Compiles a program of the tests (and what it imports) so that a child process can run it: Node 20 does not read TypeScript.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What src says about names that are not its own. */
function declarations(): string[] {
  const src = join(root, 'src')
  return (readdirSync(src, { recursive: true }) as string[]).filter((file) => file.endsWith('.d.ts')).map((file) => join(src, file))
}

/** Answers the path of the JavaScript file and how to remove the build. `source` is relative to the repository. */
export function compileProgram(source: string): { file: string; dispose(): void } {
  const out = join(root, 'node_modules', '.cache', `pgks-${process.pid}-${Math.random().toString(36).slice(2)}`)
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'package.json'), '{"type":"module"}')
  execFileSync(
    process.execPath,
    [
      join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '--ignoreConfig',
      ...['--outDir', out, '--rootDir', root, '--target', 'ES2023', '--module', 'NodeNext', '--moduleResolution', 'NodeNext'],
      ...['--types', 'node', '--skipLibCheck', '--strict', '--rewriteRelativeImportExtensions', '--noEmitOnError'],
      ...declarations(),
      join(root, source),
    ],
    { cwd: root, stdio: 'inherit' },
  )
  return {
    file: join(out, relative(root, join(root, source))).replace(/\.ts$/, '.js'),
    dispose: () => rmSync(out, { recursive: true, force: true }),
  }
}
