// The TiKV store against what every store must do, on the fake cluster, with BatchCommands and with unary calls; on a given cluster with PD_ENDPOINTS.

import { openTikvStore } from '../../src/storage/tikv/store.ts'
import { startFake } from '../fake-tikv/fake.ts'
import { describeStore, type StoreUnderTest } from './conformance.ts'
import { describeModel } from './model.ts'

const given = process.env['PD_ENDPOINTS']

const maker = (batching: boolean, stores: number) => async (): Promise<StoreUnderTest> => {
  const fake = given === undefined ? await startFake({ stores, keyspaces: [], pdPort: 0, seed: 1 }) : null
  const store = await openTikvStore({ pdEndpoints: fake === null ? given!.split(',') : [fake.pdAddress], batching })
  return {
    store,
    dispose: async () => {
      await store.close()
      await fake?.close()
    },
  }
}

describeStore('tikv, BatchCommands', maker(true, 1))
describeStore('tikv, unary calls, three stores', maker(false, 3))
describeModel('tikv', maker(true, 1))
