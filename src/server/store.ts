// Which store serves: TiKV when PD endpoints are configured, the embedded one otherwise.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { MARKER_KEY } from '../catalog/keys.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import { openLmdbStore } from '../storage/lmdb/store.ts'
import type { Store } from '../storage/store.ts'
import { openTikvStore } from '../storage/tikv/store.ts'
import { SYSTEM_TENANT } from '../tenancy/tenant.ts'
import { type Config, ConfigError } from './config.ts'

export async function openStore(config: Config, log: Logger, _metrics: Metrics): Promise<Store> {
  const told = {
    info: (message: string, fields: Readonly<Record<string, unknown>>) => log.info(fields, message),
    warn: (message: string, fields: Readonly<Record<string, unknown>>) => log.warn(fields, message),
  }
  if (config.pdEndpoints === null) return openLmdbStore({ dataDir: config.dataDir, log: told })
  const { tikvTls, tikvGcLifeTimeMs: lifeTimeMs } = config
  return openTikvStore({
    pdEndpoints: config.pdEndpoints,
    log: told,
    spillDir: path.join(config.dataDir, 'tmp'),
    replicaRead: config.tikvReplicaRead,
    startTimeoutMs: config.tikvStartTimeoutMs,
    aliveKey: Buffer.from(MARKER_KEY),
    ...(tikvTls === null
      ? {}
      : {
          tls: {
            ca: contents('TIKV_CA_FILE', tikvTls.caFile),
            ...(tikvTls.certFile === null || tikvTls.keyFile === null
              ? {}
              : { cert: contents('TIKV_CERT_FILE', tikvTls.certFile), key: contents('TIKV_KEY_FILE', tikvTls.keyFile) }),
          },
        }),
    ...(lifeTimeMs === 0 ? {} : { gc: { keyspace: SYSTEM_TENANT, lifeTimeMs } }),
  })
}

function contents(setting: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ConfigError(`setting ${setting} cannot be used: ${(error as Error).message}`)
  }
}
