// JSON as PD's HTTP servers write and read it: indentation, large integers, and the complaints of Go's decoder.

import { PdRefusal } from './keyspaces.ts'

/** A whole number of any size, written bare. */
export class Bare {
  readonly text: string
  constructor(value: bigint | number) {
    this.text = String(value)
  }
}

export function stringify(value: unknown, indent: string, depth = 0): string {
  if (value instanceof Bare) return value.text
  const inner = indent === '' ? '' : `\n${indent.repeat(depth + 1)}`
  const outer = indent === '' ? '' : `\n${indent.repeat(depth)}`
  const colon = indent === '' ? ':' : ': '
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    return `[${value.map((one) => inner + stringify(one, indent, depth + 1)).join(',')}${outer}]`
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, one]) => one !== undefined)
    if (entries.length === 0) return '{}'
    return `{${entries.map(([key, one]) => `${inner}${JSON.stringify(key)}${colon}${stringify(one, indent, depth + 1)}`).join(',')}${outer}}`
  }
  return JSON.stringify(value)
}

/** A body that gin could not bind: its text twice. */
const bindError = (text: string): PdRefusal => new PdRefusal(`[PD:gin:ErrBindJSON]${text}: ${text}`, { status: 400 })

const kindOf = (value: unknown): string =>
  Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value

/** What each field of a Go struct may be. */
export type GoFields = Readonly<Record<string, 'string' | 'number' | 'strings' | 'nullable strings'>>

/** Parses a body into the fields of a Go struct of this name; unknown fields are ignored. */
export function bind(body: string, type: string, fields: GoFields): Record<string, unknown> {
  if (body.trim() === '') throw bindError('EOF')
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    throw bindError('unexpected EOF')
  }
  const wrong = (value: unknown, field: string, want: string): PdRefusal =>
    bindError(`json: cannot unmarshal ${kindOf(value)} into Go struct field ${type}.${field} of type ${want}`)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw bindError(`json: cannot unmarshal ${kindOf(parsed)} into Go value of type handlers.${type}`)
  const out: Record<string, unknown> = {}
  for (const [name, want] of Object.entries(fields)) {
    const value = (parsed as Record<string, unknown>)[name]
    if (value === undefined || value === null) continue
    if (want === 'string' || want === 'number') {
      if (typeof value !== want) throw wrong(value, name, want === 'number' ? 'uint32' : 'string')
      out[name] = value
      continue
    }
    if (typeof value !== 'object' || Array.isArray(value)) throw wrong(value, name, 'map[string]string')
    const map = new Map<string, string | null>()
    for (const [key, one] of Object.entries(value)) {
      if (one !== null && typeof one !== 'string') throw wrong(one, name, 'string')
      map.set(key, want === 'strings' ? (one ?? '') : one)
    }
    out[name] = map
  }
  return out
}
