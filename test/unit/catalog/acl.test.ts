// aclitem text and the arithmetic of GRANT and REVOKE.

import { describe, expect, it } from 'vitest'
import { ACL, aclGrant, aclItemText, aclNewOwner, aclRevoke, defaultAcl, parseAclItem } from '../../../src/catalog/acl.ts'

const NAMES: Record<number, string> = { 10: 'admin', 11: 'bob', 12: 'odd "name"' }
const name = (oid: number): string => NAMES[oid]!
const oid = (text: string): number | null => Number(Object.entries(NAMES).find(([, known]) => known === text)?.[0] ?? 0) || null

describe('aclitem', () => {
  it('reads what it prints', () => {
    for (const text of ['admin=arwdDxtm/admin', '=r/admin', 'bob=r*w/admin', '"odd ""name"""=X/bob'])
      expect(aclItemText(parseAclItem(text, oid)!, name)).toBe(text)
    expect(parseAclItem('nobody=r/admin', oid)).toBeNull()
    expect(parseAclItem('bob', oid)).toBeNull()
  })

  it('prints the defaults as PostgreSQL does', () => {
    expect(defaultAcl('relation', 10).map((item) => aclItemText(item, name))).toEqual(['admin=arwdDxtm/admin'])
    expect(defaultAcl('database', 10).map((item) => aclItemText(item, name))).toEqual(['=Tc/admin', 'admin=CTc/admin'])
    expect(defaultAcl('function', 10).map((item) => aclItemText(item, name))).toEqual(['=X/admin', 'admin=X/admin'])
  })

  it('takes back what was granted on with it, or refuses', () => {
    const granted = aclGrant(aclGrant(defaultAcl('relation', 10), 11, 10, ACL.select, true), 12, 11, ACL.select, false)
    expect(aclRevoke(granted, 11, 10, ACL.select, false, 10, false).dependent).toBe(true)
    const left = aclRevoke(granted, 11, 10, ACL.select, false, 10, true)
    expect(left.acl.map((item) => item.grantee)).toEqual([10])
    const without = aclRevoke(granted, 11, 10, ACL.select, true, 10, true).acl
    expect(without.find((item) => item.grantee === 11)).toMatchObject({ privileges: ACL.select, grantOptions: 0 })
  })

  it('merges entries when the owner changes', () => {
    const acl = aclGrant(defaultAcl('relation', 10), 11, 10, ACL.select, false)
    expect(aclNewOwner(acl, 10, 11)).toEqual([{ grantee: 11, grantor: 11, privileges: acl[0]!.privileges, grantOptions: 0 }])
  })
})
