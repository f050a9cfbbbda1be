// Access control lists: PostgreSQL's privilege bits, aclitem text, default privileges of each kind of object, merging of GRANT and REVOKE.

import type { Oid } from '../base/ids.ts'
import type { AclItem } from './descriptors.ts'

export const ACL = {
  insert: 1 << 0,
  select: 1 << 1,
  update: 1 << 2,
  delete: 1 << 3,
  truncate: 1 << 4,
  references: 1 << 5,
  trigger: 1 << 6,
  execute: 1 << 7,
  usage: 1 << 8,
  create: 1 << 9,
  temporary: 1 << 10,
  connect: 1 << 11,
  set: 1 << 12,
  alterSystem: 1 << 13,
  maintain: 1 << 14,
} as const

/** aclitem's letters by bit number. */
const LETTERS = 'arwdDxtXUCTcsAm'
export const PUBLIC_ROLE: Oid = 0

export type AclKind = 'relation' | 'sequence' | 'database' | 'function' | 'language' | 'namespace' | 'type' | 'column' | 'tablespace'

/** Every privilege an object of the kind can carry. */
export const ALL_PRIVILEGES: Readonly<Record<AclKind, number>> = {
  relation: ACL.insert | ACL.select | ACL.update | ACL.delete | ACL.truncate | ACL.references | ACL.trigger | ACL.maintain,
  sequence: ACL.usage | ACL.select | ACL.update,
  database: ACL.create | ACL.temporary | ACL.connect,
  function: ACL.execute,
  language: ACL.usage,
  namespace: ACL.usage | ACL.create,
  type: ACL.usage,
  column: ACL.insert | ACL.select | ACL.update | ACL.references,
  tablespace: ACL.create,
}

const PUBLIC_DEFAULT: Readonly<Partial<Record<AclKind, number>>> = {
  database: ACL.temporary | ACL.connect,
  function: ACL.execute,
  language: ACL.usage,
  type: ACL.usage,
}

/** Privilege keywords as GRANT spells them. */
export const PRIVILEGE_NAMES: Readonly<Record<string, number>> = {
  insert: ACL.insert,
  select: ACL.select,
  update: ACL.update,
  delete: ACL.delete,
  truncate: ACL.truncate,
  references: ACL.references,
  trigger: ACL.trigger,
  execute: ACL.execute,
  usage: ACL.usage,
  create: ACL.create,
  temporary: ACL.temporary,
  temp: ACL.temporary,
  connect: ACL.connect,
  set: ACL.set,
  'alter system': ACL.alterSystem,
  maintain: ACL.maintain,
}
export function privilegeName(bit: number): string {
  for (const [name, value] of Object.entries(PRIVILEGE_NAMES)) if (value === bit) return name.toUpperCase()
  return String(bit)
}

export function defaultAcl(kind: AclKind, owner: Oid): AclItem[] {
  const items: AclItem[] = []
  const everybody = PUBLIC_DEFAULT[kind]
  if (everybody !== undefined) items.push({ grantee: PUBLIC_ROLE, grantor: owner, privileges: everybody, grantOptions: 0 })
  if (kind !== 'column') items.push({ grantee: owner, grantor: owner, privileges: ALL_PRIVILEGES[kind], grantOptions: 0 })
  return items
}

const quoteRole = (name: string): string => (/^[A-Za-z0-9_]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`)

/** `alice=arw*d/admin` */
export function aclItemText(item: AclItem, roleName: (oid: Oid) => string): string {
  let letters = ''
  for (let bit = 0; bit < LETTERS.length; bit++) {
    if ((item.privileges & (1 << bit)) !== 0) letters += LETTERS[bit]
    if ((item.grantOptions & (1 << bit)) !== 0) letters += '*'
  }
  return `${item.grantee === PUBLIC_ROLE ? '' : quoteRole(roleName(item.grantee))}=${letters}/${quoteRole(roleName(item.grantor))}`
}

function readName(text: string, at: number): { name: string; next: number } {
  if (text[at] !== '"') {
    let end = at
    while (end < text.length && /[A-Za-z0-9_\u0080-\uffff]/.test(text[end]!)) end++
    return { name: text.slice(at, end), next: end }
  }
  let name = ''
  let i = at + 1
  for (; i < text.length; i++) {
    if (text[i] !== '"') name += text[i]
    else if (text[i + 1] === '"') {
      name += '"'
      i++
    } else break
  }
  return { name, next: i + 1 }
}

/** Null when the text is no aclitem or a role is unknown. */
export function parseAclItem(text: string, roleOid: (name: string) => Oid | null): AclItem | null {
  const who = readName(text, 0)
  if (text[who.next] !== '=') return null
  let privileges = 0
  let grantOptions = 0
  let i = who.next + 1
  let last = 0
  for (; i < text.length && text[i] !== '/'; i++) {
    if (text[i] === '*') grantOptions |= last
    else {
      const bit = LETTERS.indexOf(text[i]!)
      if (bit < 0) return null
      last = 1 << bit
      privileges |= last
    }
  }
  const grantor = readName(text, i + 1)
  const granteeOid = who.name === '' ? PUBLIC_ROLE : roleOid(who.name)
  const grantorOid = roleOid(grantor.name)
  if (granteeOid === null || grantorOid === null) return null
  return { grantee: granteeOid, grantor: grantorOid, privileges, grantOptions }
}

/** GRANT: adds to the grantor's entry for the grantee. */
export function aclGrant(acl: readonly AclItem[], grantee: Oid, grantor: Oid, privileges: number, withOption: boolean): AclItem[] {
  const result = [...acl]
  const at = result.findIndex((item) => item.grantee === grantee && item.grantor === grantor)
  const options = withOption ? privileges : 0
  if (at < 0) result.push({ grantee, grantor, privileges, grantOptions: options })
  else {
    const item = result[at]!
    result[at] = { ...item, privileges: item.privileges | privileges, grantOptions: item.grantOptions | options }
  }
  return result
}

export interface RevokeResult {
  readonly acl: AclItem[]
  /** Privileges that others hold only through the grantee and that CASCADE was not said for. */
  readonly dependent: boolean
}

/** REVOKE [GRANT OPTION FOR]; what the grantee granted on goes too with `cascade`. */
export function aclRevoke(
  acl: readonly AclItem[],
  grantee: Oid,
  grantor: Oid,
  privileges: number,
  optionOnly: boolean,
  owner: Oid,
  cascade: boolean,
): RevokeResult {
  const before = grantOptionsOf(acl, grantee)
  let result: AclItem[] = []
  for (const item of acl) {
    if (item.grantee !== grantee || item.grantor !== grantor) {
      result.push(item)
      continue
    }
    const left = optionOnly ? item.privileges : item.privileges & ~privileges
    if (left !== 0) result.push({ ...item, privileges: left, grantOptions: item.grantOptions & ~privileges })
  }
  const lost = before & ~grantOptionsOf(result, grantee)
  if (lost === 0 || grantee === owner || grantee === PUBLIC_ROLE) return { acl: result, dependent: false }
  for (const item of result) {
    if (item.grantor !== grantee || (item.privileges & lost) === 0) continue
    if (!cascade) return { acl: [...acl], dependent: true }
    result = aclRevoke(result, item.grantee, grantee, item.privileges & lost, false, owner, true).acl
  }
  return { acl: result, dependent: false }
}

/** Every grant option a role holds, by whomever granted. */
export function grantOptionsOf(acl: readonly AclItem[], grantee: Oid): number {
  let options = 0
  for (const item of acl) if (item.grantee === grantee) options |= item.grantOptions
  return options
}

/** Owner changes: what the old owner held or granted becomes the new owner's. */
export function aclNewOwner(acl: readonly AclItem[], from: Oid, to: Oid): AclItem[] {
  const merged: AclItem[] = []
  for (const item of acl) {
    const grantee = item.grantee === from ? to : item.grantee
    const grantor = item.grantor === from ? to : item.grantor
    const at = merged.findIndex((m) => m.grantee === grantee && m.grantor === grantor)
    if (at < 0) merged.push({ ...item, grantee, grantor })
    else {
      const same = merged[at]!
      merged[at] = { ...same, privileges: same.privileges | item.privileges, grantOptions: same.grantOptions | item.grantOptions }
    }
  }
  return merged
}

export const aclMentions = (acl: readonly AclItem[] | null, role: Oid): boolean =>
  acl?.some((item) => item.grantee === role || item.grantor === role) ?? false
