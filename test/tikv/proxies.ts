// Proxies on one fake cluster for fault runs: any of them can be killed at any moment, as a process is: its connections break, nothing is released,
// nothing is finished in the background.

import type { KeyspaceId } from '../../src/base/ids.ts'
import type { BeginOptions } from '../../src/storage/store.ts'
import { TIKV_CAPABILITIES } from '../../src/storage/tikv/capabilities.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { Engine, type EngineOptions } from '../../src/storage/tikv/engine.ts'
import { TikvTransaction } from '../../src/storage/tikv/transaction.ts'
import type { Fake } from '../fake-tikv/fake.ts'

export interface TestProxy {
  begin(options: BeginOptions): TikvTransaction
  readonly isDead: boolean
  kill(): void
  close(): Promise<void>
}

export async function openProxy(
  fake: Fake,
  keyspace: KeyspaceId,
  options: Partial<Pick<EngineOptions, 'batching' | 'replicaRead' | 'pdEndpoints'>> = {},
): Promise<TestProxy> {
  const engine = new Engine({ pdEndpoints: [fake.pdAddress], ...options })
  await engine.start()
  const capability = new Capability(keyspace)
  let isDead = false
  return {
    begin: (options) => new TikvTransaction(engine, capability, TIKV_CAPABILITIES, options),
    get isDead() {
      return isDead
    },
    kill() {
      isDead = true
      engine.closed = true
      engine.router.close()
      engine.oracle.close()
      engine.pd.close()
    },
    close: () => engine.close(),
  }
}
