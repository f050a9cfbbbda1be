// The .slt files of test/sql against a server: which there are, and what differs from the recorded answers.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type pg from 'pg'
import { expect } from 'vitest'
import { ask } from './server.ts'
import { parseSlt, printAnswer } from './slt.ts'

export const sltRoot = path.join(import.meta.dirname, '../sql')

/** Relative to test/sql. */
export const sltFiles = (): string[] =>
  (readdirSync(sltRoot, { recursive: true }) as string[]).filter((file) => file.endsWith('.slt')).sort()

/** Fails with the first statements whose answers differ. `serializable`: the store offers it. */
export async function runSltFile(client: pg.Client, file: string, serializable: boolean): Promise<void> {
  const { records } = parseSlt(readFileSync(path.join(sltRoot, file), 'utf8'))
  expect(records.length).toBeGreaterThan(0)
  const failures: string[] = []
  for (const one of records) {
    if (one.serializable && !serializable) continue
    const got = printAnswer(await ask(client, one.sql), one.unordered)
    if (got === one.expected) continue
    failures.push(`${file}:${one.line}\n${one.sql}\n--- expected\n${one.expected}\n--- got\n${got}`)
  }
  if (failures.length > 0) expect.fail(`${failures.length} of ${records.length} differ\n\n${failures.slice(0, 10).join('\n\n')}`)
}
