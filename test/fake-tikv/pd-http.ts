// PD's HTTP face: keyspaces under /pd/api/v2, everything else under /pd/api/v1.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { KeyspaceState } from '../../src/storage/tikv/proto/keyspacepb.ts'
import { type Store, StoreState } from '../../src/storage/tikv/proto/metapb.ts'
import { type Barrier, GC_WORKER } from './gc.ts'
import { Bare, bind, stringify } from './go-json.ts'
import { fromHex, toHex, upperHex } from './keys.ts'
import { type KeyspaceRecord, keyspaceBounds, PdRefusal, stateName } from './keyspaces.ts'
import { type Pd, VERSION } from './pd.ts'
import { peerOn, type Region } from './regions.ts'

const NOT_BOOTSTRAPPED = '[PD:cluster:ErrNotBootstrapped]TiKV cluster not bootstrapped, please start TiKV first'
const GIN_JSON = 'application/json; charset=utf-8'
const V1_JSON = 'application/json; charset=UTF-8'
const MAX_BODY = 4 * 1024 * 1024

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly body: string
  readonly location?: string
}

const gin = (status: number, value: unknown): Answer => ({
  status,
  type: GIN_JSON,
  body: stringify(value, typeof value === 'object' && status === 200 ? '    ' : ''),
})
const v1 = (status: number, value: unknown): Answer => ({ status, type: V1_JSON, body: `${stringify(value, '  ')}\n` })
const noPage: Answer = { status: 404, type: 'text/plain', body: '404 page not found' }

const keyspaceJson = (keyspace: KeyspaceRecord): object => ({
  id: keyspace.id,
  name: keyspace.name === '' ? undefined : keyspace.name,
  state: stateName(keyspace.state),
  created_at: keyspace.createdAt,
  state_changed_at: keyspace.stateChangedAt,
  config: keyspace.config.size > 0 ? Object.fromEntries([...keyspace.config].sort(([a], [b]) => (a < b ? -1 : 1))) : undefined,
})

const STATES = new Map(Object.entries(KeyspaceState).map(([name, state]) => [name, state as number]))

function keyspacesApi(pd: Pd, method: string, path: string, query: URLSearchParams, body: string): Answer {
  const { keyspaces } = pd
  if (!pd.isBootstrapped) return gin(500, NOT_BOOTSTRAPPED)
  if (path.endsWith('/'))
    return {
      status: 301,
      type: 'text/html; charset=utf-8',
      body: `<a href="${path.slice(0, -1)}">Moved Permanently</a>.\n\n`,
      location: path.slice(0, -1),
    }
  const parts = path.slice('/pd/api/v2/keyspaces'.length).split('/').filter(Boolean).map(decodeURIComponent)
  const [first, second] = parts
  if (parts.length === 0) {
    if (method === 'POST') {
      const request = bind(body, 'CreateKeyspaceParams', { name: 'string', config: 'strings' })
      const config = (request['config'] as Map<string, string> | undefined) ?? new Map<string, string>()
      return gin(200, keyspaceJson(keyspaces.create((request['name'] as string | undefined) ?? '', config)))
    }
    if (method !== 'GET') return noPage
    const limitText = query.get('limit') ?? ''
    const tokenText = query.get('page_token') ?? ''
    if (limitText !== '' && !/^-?\d+$/.test(limitText)) return gin(400, `strconv.ParseInt: parsing "${limitText}": invalid syntax`)
    if (tokenText !== '' && !/^\d+$/.test(tokenText)) return gin(400, `strconv.ParseUint: parsing "${tokenText}": invalid syntax`)
    const limit = Math.max(0, Number(limitText))
    const found = keyspaces.page(Number(tokenText), limit > 0 ? limit + 1 : 0)
    const shown = limit > 0 ? found.slice(0, limit) : found
    const next = limit > 0 && found.length > limit ? String(found[limit]!.id) : ''
    return gin(200, { keyspaces: shown.length > 0 ? shown.map(keyspaceJson) : null, next_page_token: next })
  }
  if (first === 'id' && method === 'POST' && parts.length === 1) {
    const request = bind(body, 'CreateKeyspaceByIDParams', { id: 'number', name: 'string', config: 'strings' })
    if (request['id'] === undefined) throw new PdRefusal('keyspace id is empty')
    const config = (request['config'] as Map<string, string> | undefined) ?? new Map<string, string>()
    return gin(200, keyspaceJson(keyspaces.create((request['name'] as string | undefined) ?? '', config, request['id'] as number)))
  }
  if (method === 'GET' && first === 'id' && parts.length === 2) {
    if (!/^\d+$/.test(second!)) throw new PdRefusal('invalid keyspace id')
    return gin(200, keyspaceJson(keyspaces.byId(Number(BigInt.asUintN(32, BigInt(second!))))))
  }
  if (method === 'GET' && parts.length === 1) {
    if (query.get('force_refresh_group_id') === 'true') throw new PdRefusal('keyspace group manager is not initialized')
    return gin(200, keyspaceJson(keyspaces.byName(first!)))
  }
  if (method === 'PATCH' && second === 'config') {
    const request = bind(body, 'UpdateConfigParams', { config: 'nullable strings', preconditions: 'nullable strings' })
    const keyspace = keyspaces.byName(first!)
    const none = new Map<string, string | null>()
    keyspaces.patchConfig(
      keyspace,
      (request['config'] as Map<string, string | null> | undefined) ?? none,
      (request['preconditions'] as Map<string, string | null> | undefined) ?? none,
    )
    return gin(200, keyspaceJson(keyspace))
  }
  if (method === 'PUT' && second === 'state') {
    const request = bind(body, 'UpdateStateParam', { state: 'string' })
    const state = STATES.get(String(request['state'] ?? '').toUpperCase())
    if (state === undefined) return { status: 400, type: GIN_JSON, body: '{}' }
    const keyspace = keyspaces.byName(first!)
    keyspaces.setState(keyspace, state)
    return gin(200, keyspaceJson(keyspace))
  }
  return noPage
}

const peerJson = (peer: { id: bigint; storeId: bigint }): object => ({
  role_name: 'Voter',
  id: new Bare(peer.id),
  store_id: new Bare(peer.storeId),
})

/** A region in the compact form of a writer that leaves a blank after some colons. */
function regionText(region: Region): string {
  const leader = peerOn(region, region.leader)
  const head = stringify(
    {
      id: new Bare(region.id),
      start_key: upperHex(region.start),
      end_key: upperHex(region.end),
      epoch: { conf_ver: new Bare(region.confVer), version: new Bare(region.version) },
      peers: region.peers.map(peerJson),
      ...(leader ? { leader: peerJson(leader) } : {}),
    },
    '',
  )
  const counters = [
    'cpu_usage',
    'written_bytes',
    'read_bytes',
    'written_keys',
    'read_keys',
    'approximate_size',
    'approximate_keys',
    'approximate_kv_size',
    'approximate_columnar_kv_size',
  ]
  return `${head.slice(0, -1)},${counters.map((name) => `"${name}": 0`).join(',')}}`
}

function storeJson(store: Store): object {
  const name =
    store.state === StoreState.Tombstone
      ? 'Tombstone'
      : store.state === StoreState.Offline
        ? 'Offline'
        : store.node_state > 0
          ? 'Up'
          : 'Down'
  const text = (value: string): string | undefined => (value === '' ? undefined : value)
  const number = (value: bigint): Bare | undefined => (value === 0n ? undefined : new Bare(value))
  return {
    store: {
      id: new Bare(store.id),
      address: store.address,
      state: store.state === 0 ? undefined : store.state,
      labels: store.labels.length > 0 ? store.labels.map(({ key, value }) => ({ key, value })) : undefined,
      version: text(store.version),
      peer_address: text(store.peer_address),
      status_address: text(store.status_address),
      git_hash: text(store.git_hash),
      start_timestamp: number(store.start_timestamp),
      deploy_path: text(store.deploy_path),
      last_heartbeat: number(store.last_heartbeat),
      node_state: store.node_state === 0 ? undefined : store.node_state,
      state_name: name,
    },
    status: { capacity: '0B', available: '0B', leader_count: 0, region_count: 0 },
  }
}

const labelRule = (keyspace: KeyspaceRecord): object => {
  const { start, end } = keyspaceBounds(keyspace.id)
  return {
    id: `keyspaces/${keyspace.id}`,
    index: 0,
    labels: [{ key: 'id', value: String(keyspace.id) }],
    rule_type: 'key-range',
    data: [{ start_key: toHex(start), end_key: toHex(end) }],
  }
}

function keyspaceOfRegion(pd: Pd, region: Region): KeyspaceRecord | undefined {
  return pd.keyspaces.list(0, 0).find((keyspace) => {
    const { start, end } = keyspaceBounds(keyspace.id)
    return region.start >= start && region.start < end
  })
}

function v1Api(pd: Pd, method: string, path: string, query: URLSearchParams, body: string): Answer {
  const { cluster, gc, placement } = pd
  const parts = path.slice('/pd/api/v1/'.length).split('/').map(decodeURIComponent)
  const is = (wanted: string, length = wanted.split('/').length): boolean => {
    const words = wanted.split('/')
    return parts.length === length && words.every((word, i) => word === parts[i])
  }
  const member = {
    name: pd.member.name,
    member_id: new Bare(pd.member.id),
    peer_urls: [pd.member.peerUrl],
    client_urls: [pd.member.clientUrl],
    deploy_path: '/fake',
    binary_version: `v${VERSION}`,
    git_hash: 'fake',
  }
  if (is('health')) return v1(200, [{ name: member.name, member_id: member.member_id, client_urls: member.client_urls, health: true }])
  if (is('members'))
    return v1(200, { header: { cluster_id: new Bare(cluster.id) }, members: [member], leader: member, etcd_leader: member })
  if (is('version')) return v1(200, { version: `v${VERSION}`, build_time: '', hash: '', branch: '' })
  if (is('cluster/status'))
    return v1(200, {
      raft_bootstrap_time: pd.bootstrappedAt?.toISOString() ?? '0001-01-01T00:00:00Z',
      is_initialized: pd.isBootstrapped,
      replication_status: '',
    })
  if (is('gc/safepoint')) {
    const state = gc.global
    const shown = (barrier: Barrier): object => ({
      service_id: barrier.id,
      expired_at: new Bare(barrier.expiresAt),
      safe_point: new Bare(barrier.ts),
    })
    return v1(200, {
      service_gc_safe_points: [
        ...gc.listed(state).map(shown),
        { service_id: GC_WORKER, expired_at: new Bare(2n ** 63n - 1n), safe_point: new Bare(state.txnSafePoint) },
      ],
      min_service_gc_safe_point: state.txnSafePoint > 0n ? new Bare(state.txnSafePoint) : undefined,
      gc_safe_point: new Bare(state.gcSafePoint),
    })
  }
  if (is('gc/safepoint', 3) && method === 'DELETE') {
    gc.deleteBarrier(gc.global, parts[2]!)
    return v1(200, 'Delete service GC safepoint successfully.')
  }
  if (!pd.isBootstrapped) return v1(500, NOT_BOOTSTRAPPED)
  if (is('stores')) {
    const stores = [...pd.stores.values()].filter((store) => store.state !== StoreState.Tombstone)
    return v1(200, { count: stores.length, stores: stores.map(storeJson) })
  }
  if (parts[0] === 'store' && parts.length >= 2) {
    const id = BigInt(parts[1]!)
    const store = pd.stores.get(id)
    if (!store) return v1(404, `[PD:core:ErrStoreNotFound]store ${id} not found`)
    if (method === 'GET') return v1(200, storeJson(store))
    if (method === 'DELETE') {
      pd.removeStore(id)
      return v1(200, 'The store is set as Offline.')
    }
    return v1(200, "The store's state is updated.")
  }
  if (is('operators')) {
    if (method === 'GET') return v1(200, [])
    return operator(pd, body)
  }
  const found = (region: Region | undefined, name: string): Answer =>
    region
      ? { status: 200, type: 'application/octet-stream', body: regionText(region) }
      : v1(404, `[PD:region:ErrRegionNotFound]region ${name} not found`)
  if (is('region/id', 3)) return found(cluster.regions.byId(BigInt(parts[2]!)), parts[2]!)
  if (is('region/id', 4) && parts[3] === 'labels') {
    const region = cluster.regions.byId(BigInt(parts[2]!))
    const keyspace = region && keyspaceOfRegion(pd, region)
    return v1(200, keyspace ? [{ key: 'id', value: String(keyspace.id) }] : [])
  }
  const keyOf = (text: string): string => (query.get('format') === 'hex' ? fromHex(text) : Buffer.from(text).latin1Slice())
  if (is('region/key', 3)) return found(cluster.regions.find(keyOf(parts[2]!)), parts[2]!)
  if (is('regions/count')) return v1(200, { count: cluster.regions.all().length, regions: null })
  if (is('regions') || is('regions/key')) {
    const start = keyOf(query.get('key') ?? '')
    const limit = Number(query.get('limit') ?? (is('regions') ? 0 : 16))
    const regions = cluster.regions.scan(start, keyOf(query.get('end_key') ?? ''))
    const shown = limit > 0 ? regions.slice(0, limit) : regions
    return {
      status: 200,
      type: 'application/octet-stream',
      body: `{"count":${shown.length},"regions":[${shown.map(regionText).join(',')}]}`,
    }
  }
  if (is('config/region-label/rules')) return v1(200, pd.keyspaces.list(0, 0).map(labelRule))
  if (is('config/region-label/rule', 4)) {
    const id = /^keyspaces\/(\d+)$/.exec(parts[3]!)?.[1]
    const keyspace = id === undefined ? undefined : pd.keyspaces.find(Number(id))
    return keyspace ? v1(200, labelRule(keyspace)) : v1(404, null)
  }
  if (is('config') && method === 'POST') return v1(200, 'The config is updated.')
  if (is('config/rules')) return v1(200, placement.all())
  if (is('config/rules/group', 4)) return v1(200, placement.group(parts[3]!))
  if (is('config/rules/key', 4)) return v1(200, placement.covering(fromHex(parts[3]!)))
  if (is('config/rules/region', 4)) {
    const region = cluster.regions.byId(BigInt(parts[3]!))
    return region ? v1(200, placement.covering(region.start)) : v1(404, `[PD:region:ErrRegionNotFound]region ${parts[3]} not found`)
  }
  if (is('config/rules/batch')) {
    for (const operation of JSON.parse(body) as { action: string; group_id: string; id: string }[]) {
      if (operation.action === 'add') placement.set(operation)
      else placement.delete(operation.group_id, operation.id)
    }
    return v1(200, 'Batch operations successfully.')
  }
  if (is('config/rule')) {
    if (method !== 'POST') return { status: 405, type: undefined, body: '' }
    placement.set(JSON.parse(body) as object)
    return v1(200, 'Update rule successfully.')
  }
  if (is('config/rule', 4)) {
    if (method === 'GET') return v1(200, placement.get(parts[2]!, parts[3]!))
    placement.delete(parts[2]!, parts[3]!)
    return v1(200, 'Delete rule successfully.')
  }
  if (is('config/placement-rule', 3)) {
    const group = parts[2]!
    if (method === 'GET') return v1(200, placement.bundle(group))
    if (method === 'DELETE') {
      placement.deleteBundle(group)
      return v1(200, 'Delete group and rules successfully.')
    }
    placement.setBundle(JSON.parse(body) as Parameters<typeof placement.setBundle>[0])
    return v1(200, 'Update group and rules successfully.')
  }
  return noPage
}

function operator(pd: Pd, body: string): Answer {
  const request = JSON.parse(body) as { name: string; region_id: number; to_store_id?: number; keys?: string[] }
  const region = pd.cluster.regions.byId(BigInt(request.region_id))
  if (!region) return v1(500, `[PD:region:ErrRegionNotFound]region ${request.region_id} not found`)
  if (request.name === 'transfer-leader') {
    const to = BigInt(request.to_store_id ?? 0)
    if (!peerOn(region, to)) return v1(500, `region has no voter in store ${to}`)
    if (region.leader === to) return v1(500, 'no operator step is built')
    pd.cluster.setLeader(region, to)
  } else if (request.name === 'split-region') {
    const keys = (request.keys ?? []).map(fromHex).filter((key) => key > region.start && (region.end === '' || key < region.end))
    pd.cluster.split(region, keys)
  } else if (request.name === 'merge-region') {
    pd.cluster.merge(region)
  }
  return v1(200, 'The operator is created.')
}

export function answerHttp(pd: Pd, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > MAX_BODY) request.destroy()
    else chunks.push(chunk)
  })
  request.on('error', () => response.destroy())
  request.on('end', () => {
    const url = new URL(request.url ?? '/', 'http://pd')
    const method = request.method ?? 'GET'
    const body = Buffer.concat(chunks).utf8Slice()
    const isV2 = url.pathname.startsWith('/pd/api/v2/keyspaces')
    let answer: Answer
    try {
      if (isV2) answer = keyspacesApi(pd, method, url.pathname, url.searchParams, body)
      else if (url.pathname === '/pd/api/v2/ready') answer = { status: 200, type: undefined, body: '' }
      else if (url.pathname.startsWith('/pd/api/v1/')) answer = v1Api(pd, method, url.pathname, url.searchParams, body)
      else answer = noPage
    } catch (error) {
      if (error instanceof PdRefusal) {
        answer = isV2 ? gin(error.status, error.message) : v1(error.status, error.message)
        if (isV2 && error.status === 400) answer = { ...answer, type: 'text/plain; charset=utf-8' }
      } else if (error instanceof SyntaxError) answer = v1(400, error.message)
      else {
        process.stderr.write(`fake-tikv: ${error instanceof Error ? error.stack : String(error)}\n`)
        answer = v1(500, error instanceof Error ? error.message : String(error))
      }
    }
    response.statusCode = answer.status
    if (answer.type !== undefined) response.setHeader('Content-Type', answer.type)
    if (answer.location !== undefined) response.setHeader('Location', answer.location)
    response.end(answer.body)
  })
}
