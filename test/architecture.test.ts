// Who imports whom, as config/layers.json says; no cycles, no `any`, no barrels. The checker is first tried on planted violations, so that it
// cannot pass by seeing nothing.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { checkArchitecture, type Layers } from './support/architecture/check.ts'
import { importsOf, scan } from './support/architecture/scan.ts'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const layers = JSON.parse(readFileSync(path.join(root, 'config', 'layers.json'), 'utf8')) as Layers

function readSources(): Map<string, string> {
  const src = path.join(root, 'src')
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  return new Map(files.map((file) => [file.split(path.sep).join('/'), readFileSync(path.join(src, file), 'utf8')]))
}

describe('the checker sees', () => {
  const small: Layers = {
    rooms: { base: [], low: ['base'], 'low/deep': ['base', 'low'], high: ['base', 'low'], top: ['*'] },
    packages: { pino: ['low'], '@x/y': ['low'], 'node:net': ['low'] },
  }
  const check = (files: Record<string, string>) => checkArchitecture(new Map(Object.entries(files)), small)
  const base = { 'base/a.ts': 'export const a = 1', 'low/l.ts': 'export const l = 1', 'high/h.ts': 'export const h = 1' }

  test('nothing wrong where nothing is', () => {
    expect(
      check({
        ...base,
        'high/ok.ts':
          "import { l } from '../low/l.ts'\nimport { h } from './h.ts'\nconst any = { any: 1 }.any // : any\nif (any === any) f(any, [any])",
      }),
    ).toEqual([])
    expect(check({ ...base, 'top/t.ts': "import { h } from '../high/h.ts'\nimport net from 'node:fs'" })).toEqual([])
  })

  test.each([
    ['a room above', 'low/x.ts', "import { h } from '../high/h.ts'", 'low/x.ts:1: room low may not import high (../high/h.ts)'],
    ['types too', 'low/x.ts', "\nimport type { h } from '../high/h.ts'", 'low/x.ts:2: room low may not import high (../high/h.ts)'],
    ['dynamic import', 'low/x.ts', "const h = await import('../high/h.ts')", 'low/x.ts:1: room low may not import high (../high/h.ts)'],
    ['import in a type', 'low/x.ts', "type H = import('../high/h.ts').H", 'low/x.ts:1: room low may not import high (../high/h.ts)'],
    ['bare import', 'low/x.ts', "import '../high/h.ts'", 'low/x.ts:1: room low may not import high (../high/h.ts)'],
    ['over several lines', 'low/x.ts', "import {\n  h,\n} from '../high/h.ts'", 'low/x.ts:1: room low may not import high (../high/h.ts)'],
    [
      'after a regular expression',
      'low/x.ts',
      "const r = /['\"`/*]/\nimport { h } from '../high/h.ts'",
      'low/x.ts:2: room low may not import high (../high/h.ts)',
    ],
    [
      'after a template',
      'low/x.ts',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the planted source holds a template.
      "const t = `a ${`b ${1}`} '`\nimport { h } from '../high/h.ts'",
      'low/x.ts:2: room low may not import high (../high/h.ts)',
    ],
    [
      'a parent that does not list its child',
      'low/x.ts',
      "import { d } from './deep/d.ts'",
      'low/x.ts:1: room low may not import low/deep (./deep/d.ts)',
    ],
    ['a package', 'high/x.ts', "import { pino } from 'pino'", 'high/x.ts:1: room high may not import package pino'],
    ['a path in a package', 'high/x.ts', "import z from '@x/y/deep.js'", 'high/x.ts:1: room high may not import package @x/y'],
    ['a package nobody knows', 'high/x.ts', "import z from 'left-pad'", 'high/x.ts:1: package left-pad is not listed'],
    ['a node module', 'high/x.ts', "import net from 'node:net'", 'high/x.ts:1: room high may not import package node:net'],
    ['a file that is not there', 'high/x.ts', "import { z } from './z.ts'", 'high/x.ts:1: imports high/z.ts, which does not exist'],
    ['no room', 'attic/x.ts', '', 'attic/x.ts: stands in no room'],
    ['a barrel', 'high/x.ts', "export { h } from './h.ts'", 'high/x.ts: nothing but re-exports (barrel)'],
    ['a barrel of stars', 'high/x.ts', "export * from './h.ts'", 'high/x.ts: nothing but re-exports (barrel)'],
    ['any', 'high/x.ts', 'export const x = (y: any) => y', 'high/x.ts:1: type any'],
    ['as any', 'high/x.ts', 'export const x = 1 as any', 'high/x.ts:1: type any'],
    ['any inside', 'high/x.ts', '\nexport const x: Map<string, any[]> = new Map()', 'high/x.ts:2: type any'],
    ['any as a default', 'high/x.ts', 'export type X<T = any> = T', 'high/x.ts:1: type any'],
    ['a silenced compiler', 'high/x.ts', '// @ts-ignore\nexport const x = 1', 'high/x.ts: silences the compiler'],
  ])('%s', (_what, file, source, violation) => {
    expect(check({ ...base, 'low/deep/d.ts': 'export const d = 1', [file]: source })).toEqual([violation])
  })

  test('cycles, but not those of types', () => {
    const loop = {
      'low/a.ts': "import { b } from './b.ts'",
      'low/b.ts': "import { c } from './c.ts'",
      'low/c.ts': "import { type T, a } from './a.ts'",
    }
    expect(check(loop)).toEqual(['import cycle: low/a.ts → low/b.ts → low/c.ts'])
    expect(check({ ...loop, 'low/c.ts': "import type { T } from './a.ts'" })).toEqual([])
    expect(check({ ...loop, 'low/c.ts': "import { type T, type U } from './a.ts'" })).toEqual([])
  })

  test('an unknown room in the rules themselves', () => {
    expect(checkArchitecture(new Map(), { rooms: { base: ['nowhere'] }, packages: {} })).toEqual([
      'layers: room base names unknown room nowhere',
    ])
  })
})

describe('this house', () => {
  const sources = readSources()

  test('is seen: files, and imports in them', () => {
    expect(sources.size).toBeGreaterThan(40)
    const imports = importsOf(scan(sources.get('pgwire/conversation.ts')!))
    expect(imports.map((one) => one.specifier)).toContain('./messages.ts')
    // Every import statement of every file is found: counted once by the scanner, once by eye.
    for (const [file, source] of sources) {
      const byEye = source.match(/^(import|export) [^;]*? from '[^']+'$/gms)?.length ?? 0
      const scanned = importsOf(scan(source)).length
      expect(scanned, file).toBeGreaterThanOrEqual(byEye)
    }
  })

  test('keeps its rules', () => {
    expect(checkArchitecture(sources, layers)).toEqual([])
  })
})
