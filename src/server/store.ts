// Which store serves: TiKV when PD endpoints are configured, the embedded one otherwise.

import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import { openLmdbStore } from '../storage/lmdb/store.ts'
import type { Store } from '../storage/store.ts'
import { openTikvStore } from '../storage/tikv/store.ts'
import type { Config } from './config.ts'

export async function openStore(config: Config, log: Logger, _metrics: Metrics): Promise<Store> {
  const told = {
    info: (message: string, fields: Readonly<Record<string, unknown>>) => log.info(fields, message),
    warn: (message: string, fields: Readonly<Record<string, unknown>>) => log.warn(fields, message),
  }
  if (config.pdEndpoints !== null) return openTikvStore({ pdEndpoints: config.pdEndpoints, log: told })
  return openLmdbStore({ dataDir: config.dataDir, log: told })
}
