// A fake TiKV cluster in one process: PD and stores on ports of their own over one shared state in memory, and a control port for tests.

import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Cluster, createCluster, createRandom, type Store } from './cluster.ts'
import { answerControl } from './control.ts'
import { createFaults, type Faults } from './faults.ts'
import { GrpcError, Status } from './grpc.ts'
import { type Certificates, listen, type Port } from './listen.ts'
import { createPd, type Pd, VERSION } from './pd.ts'
import { answerHttp } from './pd-http.ts'
import { createPdService } from './pd-service.ts'
import { createHandlers } from './store-commands.ts'
import { createStoreService } from './store-service.ts'

export interface FakeOptions {
  /** 0: PD alone, until stores are added. */
  readonly stores: number
  readonly keyspaces: readonly string[]
  readonly pdPort: number
  readonly seed: number
  /** From a store's death to the election of new leaders; a real cluster takes 11 to 13 s. */
  readonly electionMs?: number
  /** TLS on PD's and the stores' ports; the control port stays plain. */
  readonly certificates?: Certificates
}

const ELECTION_MS = 500

export interface Fake {
  readonly cluster: Cluster
  readonly pd: Pd
  readonly faults: Faults
  /** host:port */
  readonly pdAddress: string
  readonly controlUrl: string
  storeAddresses(): string[]
  /** A further store; with `settleMs` its first heart-beat and the split at DEFAULT's bounds come that much later. */
  addStore(labels: ReadonlyMap<string, string>, settleMs?: number): Promise<void>
  killStore(id: bigint): Promise<void>
  startStore(id: bigint): Promise<void>
  /** PD goes: its port refuses connections until it starts again. */
  killPd(): Promise<void>
  startPd(): Promise<void>
  close(): Promise<void>
}

/** Large, so that 64-bit mistakes show. */
const CLUSTER_ID = 7412345678901234567n

export async function startFake(options: FakeOptions): Promise<Fake> {
  const cluster = createCluster(CLUSTER_ID, options.stores || 1, options.seed, options.electionMs ?? ELECTION_MS)
  const random = createRandom(options.seed + 1)
  const pd = createPd(cluster)
  const faults = createFaults()
  const pdService = createPdService(pd, faults)
  const ports = new Map<bigint, Port>()
  const timers = new Set<NodeJS.Timeout>()
  const openPd = (port: number): Promise<Port> =>
    listen(port, options.certificates, pdService.find, (request, response) => answerHttp(pd, request, response))
  let pdPort: Port | undefined = await openPd(options.pdPort)
  const pdPortNumber = pdPort.port
  pd.member.clientUrl = `${options.certificates === undefined ? 'http' : 'https'}://127.0.0.1:${pdPortNumber}`

  const killStore = async (id: bigint): Promise<void> => {
    const store = cluster.stores.get(id)
    const port = ports.get(id)
    if (!store || !port || !store.isUp) return
    store.isUp = false
    ports.delete(id)
    cluster.storeDied(store)
    await port.close()
  }
  const open = async (store: Store, wanted: number): Promise<void> => {
    const panic = (reason: string): never => {
      process.stderr.write(`fake-tikv: store ${store.id} panicked: ${reason}\n`)
      faults.count('panic')
      setImmediate(() => void killStore(store.id))
      throw new GrpcError(Status.UNAVAILABLE, `store panicked: ${reason}`)
    }
    const service = createStoreService(store.id, createHandlers(cluster, store, panic), faults)
    const port = await listen(wanted, options.certificates, service.find)
    ports.set(store.id, port)
    store.isUp = true
    store.address = `127.0.0.1:${port.port}`
  }
  const settle = (): void => {
    pd.settle()
    for (const region of cluster.regions.all()) if (region.leader === 0n) cluster.setLeader(region, region.peers[0]!.storeId)
  }
  let controlUrl = ''
  const fake: Fake = {
    cluster,
    pd,
    faults,
    pdAddress: `127.0.0.1:${pdPortNumber}`,
    get controlUrl() {
      return controlUrl
    },
    storeAddresses: () => [...cluster.stores.values()].map((store) => store.address),
    async addStore(labels, settleMs = 0) {
      const id = BigInt(cluster.stores.size + 1)
      const store: Store = { id, address: '', statusAddress: '', isUp: false, maxTs: 0n, startedAt: Date.now() }
      await open(store, 0)
      store.statusAddress = store.address
      store.maxTs = cluster.tso.next()
      cluster.addStore(store)
      pd.putStore({
        id,
        address: store.address,
        state: 0,
        labels: [...labels].map(([key, value]) => ({ key, value })),
        version: VERSION,
        peer_address: store.address,
        status_address: store.statusAddress,
        git_hash: 'fake',
        start_timestamp: BigInt(Math.floor(store.startedAt / 1000)),
        deploy_path: '/fake',
        last_heartbeat: 0n,
        physically_destroyed: false,
        node_state: 0,
      })
      if (settleMs === 0) {
        settle()
        return
      }
      const timer = setTimeout(() => {
        timers.delete(timer)
        settle()
      }, settleMs)
      timers.add(timer)
    },
    killStore,
    async startStore(id) {
      const store = cluster.stores.get(id)
      if (!store) throw new TypeError('no such store')
      if (store.isUp) return
      await open(store, Number(store.address.split(':')[1]))
      store.maxTs = cluster.tso.next()
      cluster.addStore(store)
    },
    async killPd() {
      const port = pdPort
      pdPort = undefined
      await port?.close()
    },
    async startPd() {
      pdPort ??= await openPd(pdPortNumber)
    },
    async close() {
      cluster.close()
      pd.close()
      for (const timer of timers) clearTimeout(timer)
      control.closeAllConnections()
      await Promise.all([pdPort?.close(), ...[...ports.values()].map((port) => port.close()), new Promise((done) => control.close(done))])
    },
  }
  for (let i = 0; i < options.stores; i++) await fake.addStore(new Map([['host', `h${i + 1}`]]))
  for (const name of options.keyspaces) pd.keyspaces.create(name, new Map())
  // Regions of a new cluster are led by different stores, as the seed wants.
  for (const region of cluster.regions.all()) {
    const chosen = region.peers[Math.floor(random() * region.peers.length)]
    if (chosen && options.stores > 1) cluster.setLeader(region, chosen.storeId)
  }
  const control = http.createServer((request, response) => answerControl(fake, request, response))
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve))
  controlUrl = `http://127.0.0.1:${(control.address() as AddressInfo).port}`
  return fake
}
