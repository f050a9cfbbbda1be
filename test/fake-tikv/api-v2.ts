// What a store with API v2 accepts: which first bytes keys may have for which api_version of a request, and how long they may be.

import { APIVersion } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { abort, keyTooLarge } from './key-errors.ts'
import { encodeKey, upperHex } from './keys.ts'

const MAX_KEY_SIZE = 8192
const VERSION_NAMES: Record<number, string> = { 0: 'V1', 1: 'V1ttl', 2: 'V2', 3: 'V3' }

const isTidbKey = (key: string): boolean => key[0] === 'm' || key[0] === 't'

function checkVersion(command: string, version: number): void {
  if (version !== APIVersion.V1 && version !== APIVersion.V2)
    throw abort(
      `Error(ApiVersionNotMatched { cmd: ${command}, storage_api_version: V2, req_api_version: ${VERSION_NAMES[version] ?? version} })`,
    )
}

export function checkKeys(command: string, version: number, keys: readonly string[]): void {
  checkVersion(command, version)
  const bad = keys.find((key) => (version === APIVersion.V1 ? !isTidbKey(key) : key[0] !== 'x'))
  if (bad !== undefined)
    throw abort(`Error(InvalidKeyMode { cmd: ${command}, storage_api_version: V2, key: "${upperHex(encodeKey(bad))}" })`)
}

const rangeIsFine = (version: number, start: string, end: string): boolean => {
  if (version === APIVersion.V1) return isTidbKey(start) && end !== '' && (isTidbKey(end) || end === 'n' || end === 'u')
  return start[0] === 'x' && end[0] === 'x'
}

/** `start` and `end` as the request has them. */
export function checkRange(command: string, version: number, start: string, end: string): void {
  checkVersion(command, version)
  if (rangeIsFine(version, start, end)) return
  const shown = end === '' ? 'None' : `Some("${upperHex(encodeKey(end))}")`
  throw abort(
    `Error(InvalidKeyRangeMode { cmd: ${command}, storage_api_version: V2, range: (Some("${upperHex(encodeKey(start))}"), ${shown}) })`,
  )
}

/** DeleteRange answers with texts of its own. */
export function deleteRangeComplaint(version: number, start: string, end: string): string | undefined {
  if (version !== APIVersion.V1 && version !== APIVersion.V2)
    return `Api version in request does not match with TiKV storage, cmd: delete_range, storage: V2, request: ${VERSION_NAMES[version] ?? version}`
  if (rangeIsFine(version, start, end)) return undefined
  return (
    `Key mode mismatched with the request mode, cmd: delete_range, storage: V2, ` +
    `range: (Some("${upperHex(encodeKey(start))}"), Some("${upperHex(encodeKey(end))}"))`
  )
}

export function checkKeySizes(keys: readonly string[]): void {
  for (const key of keys) {
    const size = (Math.floor(key.length / 8) + 1) * 9
    if (size > MAX_KEY_SIZE) throw keyTooLarge(size, MAX_KEY_SIZE)
  }
}
