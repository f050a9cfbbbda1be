// `role` and `session_authorization` among the settings of a start-up packet: granted or refused as SET would, never simply taken.

import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFake } from '../fake-tikv/fake.ts'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

describe.each(['embedded', 'TiKV'])('%s', (store) => {
  let server: TestServer
  let stop = async (): Promise<void> => {}
  const tenant = ownTenant('startroles')

  beforeAll(async () => {
    if (store === 'TiKV') {
      const fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
      stop = () => fake.close()
      server = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
    } else server = await startTestServer()
    const admin = await server.connect(`${tenant}.admin`)
    await admin.query('CREATE ROLE readers')
    await admin.query('CREATE ROLE others')
    await admin.query("CREATE ROLE plain LOGIN PASSWORD 'admin' IN ROLE readers")
  })
  afterAll(async () => {
    await server.stop()
    await stop()
  })

  async function who(client: pg.Client): Promise<string> {
    const { rows } = await client.query('SELECT session_user AS s, current_user AS c')
    return `${rows[0].s} as ${rows[0].c}`
  }

  it('a login without rights becomes only what it is a member of', async () => {
    const user = `${tenant}.plain`
    const refused = (text: string) => ({ code: '42501', message: text })
    await expect(server.connect(user, { options: '-c role=admin' })).rejects.toMatchObject(refused('permission denied to set role "admin"'))
    await expect(server.connect(user, { options: '-c ROLE=others' })).rejects.toMatchObject(
      refused('permission denied to set role "others"'),
    )
    await expect(server.connect(user, { options: '-c role=nobody' })).rejects.toMatchObject({ code: '22023' })
    await expect(server.connect(user, { options: '-c session_authorization=admin' })).rejects.toMatchObject(
      refused('permission denied to set session authorization "admin"'),
    )
    expect(await who(await server.connect(user, { options: '-c role=readers' }))).toBe('plain as readers')
    expect(await who(await server.connect(user, { options: '-c role=none' }))).toBe('plain as plain')
    expect(await who(await server.connect(user, { options: '-c session_authorization=plain' }))).toBe('plain as plain')
  })

  it('a superuser becomes anyone', async () => {
    const user = `${tenant}.admin`
    expect(await who(await server.connect(user, { options: '-c role=others' }))).toBe('admin as others')
    expect(await who(await server.connect(user, { options: '-c session_authorization=plain' }))).toBe('plain as plain')
  })

  it('set_config asks, too', async () => {
    const plain = await server.connect(`${tenant}.plain`)
    for (const setting of ['role', 'session_authorization', 'Role']) {
      await expect(plain.query('SELECT set_config($1, $2, false)', [setting, 'admin'])).rejects.toMatchObject({ code: '42501' })
      expect(await who(plain)).toBe('plain as plain')
    }
    await plain.query("SELECT set_config('role', 'readers', false)")
    expect(await who(plain)).toBe('plain as readers')
  })
})
