import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Environment } from '../../../../src/storage/lmdb/native.ts'

const directory = mkdtempSync(path.join(tmpdir(), 'pgk-native-'))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

it('answers nothing after it was closed', () => {
  const environment = new Environment(path.join(directory, 'data.mdb'))
  expect(environment.loadKey(1, Buffer.from('k'))).toBe(-1)
  environment.close()
  environment.close()
  for (const use of [
    () => environment.load(1),
    () => environment.loadKey(1, Buffer.from('k')),
    () => environment.loadString(1, 'k'),
    () => environment.first(1, false, false),
    () => environment.next(),
    () => environment.current(),
    () => environment.seek(1),
    () => environment.renew(),
    () => environment.write(0, () => {}),
    () => environment.liveBytes(),
    () => environment.bytesUsed(),
    () => environment.entries(),
    () => environment.readers(),
  ])
    expect(use).toThrowError(expect.objectContaining({ kind: 'unavailable' }))
})
