import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { META } from '../../../src/storage/meta-prefixes.ts'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../src')
// What a key made of a prefix written out looks like: the beginning of a buffer or of a template.
const WRITTEN_OUT = /Buffer\.from\(['"`]m[a-zA-Z]|`m[a-zA-Z][^`$]{0,3}\$\{/

test('every prefix is m and a letter that no other one has', () => {
  const all = Object.values(META)
  for (const prefix of all) expect(prefix).toMatch(/^m[a-zA-Z]$/)
  expect(new Set(all).size).toBe(all.length)
})

test('no key’s prefix is written out where it is used', () => {
  const planted = ['return Buffer.from(`mq/$' + '{id}`)', "const key = Buffer.from('mU')", 'name = `md$' + '{address}`']
  for (const line of planted) expect(line).toMatch(WRITTEN_OUT)
  const found: string[] = []
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.startsWith('storage/tikv/proto')) continue
    for (const [at, line] of readFileSync(path.join(root, file), 'utf8').split('\n').entries())
      if (WRITTEN_OUT.test(line) && !line.trimStart().startsWith('//')) found.push(`${file}:${at + 1}: ${line.trim()}`)
  }
  expect(found).toEqual([])
})
