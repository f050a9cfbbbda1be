// etcdserverpb, as far as needed: how many keys PD's etcd holds under a prefix.

import { bool, bytes, int64, message, method } from './message.ts'

export const RangeRequest = message('etcdserverpb.RangeRequest', { key: bytes(1), range_end: bytes(2), count_only: bool(9) })
export const RangeResponse = message('etcdserverpb.RangeResponse', { count: int64(4) })

export const Range = method('/etcdserverpb.KV/Range', RangeRequest, RangeResponse)
