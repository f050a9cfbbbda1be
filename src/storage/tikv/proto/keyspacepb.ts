// keyspacepb: keyspaces over gRPC. Creating one goes over PD's HTTP API only.

import { embedded, enumeration, int64, type MessageOf, message, method, repeated, string, stringMap, uint32 } from './message.ts'
import { RequestHeader, ResponseHeader } from './pdpb.ts'

export const KeyspaceState = { ENABLED: 0, DISABLED: 1, ARCHIVED: 2, TOMBSTONE: 3 } as const

export const KeyspaceMeta = message('keyspacepb.KeyspaceMeta', {
  id: uint32(1),
  name: string(2),
  state: enumeration(3, KeyspaceState),
  created_at: int64(4),
  state_changed_at: int64(5),
  config: stringMap(7),
})
const header = embedded(1, RequestHeader)
const responseHeader = embedded(1, ResponseHeader)

export const LoadKeyspaceRequest = message('keyspacepb.LoadKeyspaceRequest', { header, name: string(2) })
export const LoadKeyspaceByIDRequest = message('keyspacepb.LoadKeyspaceByIDRequest', { header, id: uint32(2) })
export const LoadKeyspaceResponse = message('keyspacepb.LoadKeyspaceResponse', {
  header: responseHeader,
  keyspace: embedded(2, KeyspaceMeta),
})
export const WatchKeyspacesRequest = message('keyspacepb.WatchKeyspacesRequest', { header })
export const WatchKeyspacesResponse = message('keyspacepb.WatchKeyspacesResponse', {
  header: responseHeader,
  keyspaces: repeated(embedded(2, KeyspaceMeta)),
})
export const UpdateKeyspaceStateRequest = message('keyspacepb.UpdateKeyspaceStateRequest', {
  header,
  id: uint32(2),
  state: enumeration(3, KeyspaceState),
})
export const UpdateKeyspaceStateResponse = message('keyspacepb.UpdateKeyspaceStateResponse', {
  header: responseHeader,
  keyspace: embedded(2, KeyspaceMeta),
})
export const GetAllKeyspacesRequest = message('keyspacepb.GetAllKeyspacesRequest', { header, start_id: uint32(2), limit: uint32(3) })
export const GetAllKeyspacesResponse = message('keyspacepb.GetAllKeyspacesResponse', {
  header: responseHeader,
  keyspaces: repeated(embedded(2, KeyspaceMeta)),
})

/** Unary methods of `keyspacepb.Keyspace`. */
export const Keyspace = {
  LoadKeyspace: method('/keyspacepb.Keyspace/LoadKeyspace', LoadKeyspaceRequest, LoadKeyspaceResponse),
  /** Newer than v8.5. */
  LoadKeyspaceByID: method('/keyspacepb.Keyspace/LoadKeyspaceByID', LoadKeyspaceByIDRequest, LoadKeyspaceResponse),
  UpdateKeyspaceState: method('/keyspacepb.Keyspace/UpdateKeyspaceState', UpdateKeyspaceStateRequest, UpdateKeyspaceStateResponse),
  GetAllKeyspaces: method('/keyspacepb.Keyspace/GetAllKeyspaces', GetAllKeyspacesRequest, GetAllKeyspacesResponse),
} as const

/** Server stream. */
export const WatchKeyspaces = method('/keyspacepb.Keyspace/WatchKeyspaces', WatchKeyspacesRequest, WatchKeyspacesResponse)

export type KeyspaceMeta = MessageOf<typeof KeyspaceMeta>
