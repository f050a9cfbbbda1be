// Placement rules over PD's HTTP API: kept and checked; nothing moves for them.

import { decodeKey, fromHex } from './keys.ts'
import { PdRefusal } from './keyspaces.ts'

export interface Rule {
  readonly group_id: string
  readonly id: string
  readonly index?: number
  readonly override?: boolean
  readonly start_key: string
  readonly end_key: string
  readonly role: string
  readonly count: number
  readonly label_constraints?: readonly { readonly key: string; readonly op: string; readonly values: readonly string[] }[]
  readonly location_labels?: readonly string[]
  readonly create_timestamp?: number
}

const ROLES = ['voter', 'leader', 'follower', 'learner']
const bad = (text: string): PdRefusal => new PdRefusal(`[PD:placement:ErrRuleContent]invalid rule content, ${text}`, { status: 400 })

export interface Placement {
  all(): Rule[]
  get(group: string, id: string): Rule
  group(group: string): Rule[]
  /** Rules whose range holds an encoded key. */
  covering(encoded: string): Rule[]
  set(rule: Partial<Rule>): void
  delete(group: string, id: string): void
  setBundle(bundle: { group_id: string; group_index?: number; group_override?: boolean; rules: Partial<Rule>[] }): void
  bundle(group: string): object
  deleteBundle(group: string): void
}

export function createPlacement(storeLabels: () => readonly ReadonlyMap<string, string>[], replicas: number): Placement {
  const rules = new Map<string, Rule>()
  const groups = new Map<string, { index?: number; override?: boolean }>()
  const keyOf = (group: string, id: string): string => `${group}\0${id}`
  const fallback: Rule = { group_id: 'pd', id: 'default', start_key: '', end_key: '', role: 'voter', count: replicas }
  rules.set(keyOf('pd', 'default'), fallback)

  const decodeHex = (hex: string): string => {
    if (!/^([0-9a-fA-F]{2})*$/.test(hex)) throw new PdRefusal(`[PD:hex:ErrHexDecodingString]decode string ${hex} error`, { status: 400 })
    return fromHex(hex)
  }
  const check = (rule: Partial<Rule>): Rule => {
    const start = decodeHex(rule.start_key ?? '')
    const end = decodeHex(rule.end_key ?? '')
    if (end !== '' && end <= start) throw bad('endKey should be greater than startKey')
    for (const [what, key] of [
      ['start', start],
      ['end', end],
    ] as const)
      if (key !== '' && decodeKey(key) === null)
        throw bad(`${what} key should be encoded in table mode: insufficient bytes to decode value`)
    const role = rule.role ?? ''
    if (!ROLES.includes(role)) throw bad(`invalid role ${role}`)
    const count = rule.count ?? 0
    if (count <= 0) throw bad(`invalid count ${count}`)
    const constraints = rule.label_constraints ?? []
    const fits = (labels: ReadonlyMap<string, string>): boolean =>
      constraints.every((constraint) => {
        const value = labels.get(constraint.key)
        if (constraint.op === 'in') return value !== undefined && constraint.values.includes(value)
        if (constraint.op === 'notIn') return value === undefined || !constraint.values.includes(value)
        return constraint.op === 'exists' ? value !== undefined : value === undefined
      })
    if (!storeLabels().some(fits)) throw bad(`rule '${rule.id}' from rule group '${rule.group_id}' can not match any store`)
    return {
      group_id: rule.group_id ?? '',
      id: rule.id ?? '',
      ...(rule.index ? { index: rule.index } : {}),
      ...(rule.override ? { override: true } : {}),
      start_key: rule.start_key ?? '',
      end_key: rule.end_key ?? '',
      role,
      count,
      ...(constraints.length > 0 ? { label_constraints: constraints } : {}),
      ...(rule.location_labels?.length ? { location_labels: rule.location_labels } : {}),
      create_timestamp: Math.floor(Date.now() / 1000),
    }
  }
  const shown = (rule: Rule): Rule => {
    const { group_id, id, index, override, start_key, end_key, role, count, label_constraints, location_labels, create_timestamp } = rule
    return {
      group_id,
      id,
      ...(index === undefined ? {} : { index }),
      ...(override === undefined ? {} : { override }),
      start_key,
      end_key,
      role,
      ...{ is_witness: false },
      count,
      ...(label_constraints === undefined ? {} : { label_constraints }),
      ...(location_labels === undefined ? {} : { location_labels }),
      ...(create_timestamp === undefined ? {} : { create_timestamp }),
    }
  }
  const order = (list: Iterable<Rule>): Rule[] => [...list].sort((a, b) => (a.group_id + a.id < b.group_id + b.id ? -1 : 1)).map(shown)
  const placement: Placement = {
    all: () => order(rules.values()),
    get(group, id) {
      const rule = rules.get(keyOf(group, id))
      if (!rule) throw new PdRefusal('[PD:placement:ErrRuleNotFound]rule not found', { status: 404 })
      return shown(rule)
    },
    group: (group) => order([...rules.values()].filter((rule) => rule.group_id === group)),
    covering: (encoded) =>
      order(
        [...rules.values()].filter(
          (rule) => fromHex(rule.start_key) <= encoded && (rule.end_key === '' || encoded < fromHex(rule.end_key)),
        ),
      ),
    set(rule) {
      const checked = check(rule)
      rules.set(keyOf(checked.group_id, checked.id), checked)
    },
    delete: (group, id) => {
      rules.delete(keyOf(group, id))
    },
    setBundle(bundle) {
      const checked = bundle.rules.map((rule) => check({ ...rule, group_id: bundle.group_id }))
      placement.deleteBundle(bundle.group_id)
      for (const rule of checked) rules.set(keyOf(rule.group_id, rule.id), rule)
      groups.set(bundle.group_id, {
        ...(bundle.group_index ? { index: bundle.group_index } : {}),
        ...(bundle.group_override ? { override: true } : {}),
      })
    },
    bundle(group) {
      const settings = groups.get(group) ?? {}
      return {
        group_id: group,
        ...(settings.index ? { group_index: settings.index } : {}),
        ...(settings.override ? { group_override: true } : {}),
        rules: placement.group(group),
      }
    },
    deleteBundle(group) {
      for (const rule of placement.group(group)) rules.delete(keyOf(group, rule.id))
      groups.delete(group)
    },
  }
  return placement
}
