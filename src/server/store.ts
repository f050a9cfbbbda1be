// Which store serves: TiKV when PD endpoints are configured, the embedded one otherwise.

import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import { openLmdbStore } from '../storage/lmdb/store.ts'
import type { Store } from '../storage/store.ts'
import { type Config, ConfigError } from './config.ts'

export async function openStore(config: Config, log: Logger, _metrics: Metrics): Promise<Store> {
  if (config.pdEndpoints !== null) throw new ConfigError('PD_ENDPOINTS: the TiKV store is not part of this build')
  return openLmdbStore({
    dataDir: config.dataDir,
    log: { info: (message, fields) => log.info(fields, message), warn: (message, fields) => log.warn(fields, message) },
  })
}
