// `npm run bench -- loop`: how long one statement keeps the event loop from everybody else (goal: 20 ms), in CPU time of the server's main
// thread; and, with --cancel, how late statement_timeout ends it. --only PART,… takes the cases whose names hold one of these; LOOP_WHY=1 prints what ran in the longest holds.

import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { CASES, SETUP } from './loop-cases.mjs'
import { startOurs } from './peers.mjs'

const GOAL_MS = 20
/** When statement_timeout strikes with --cancel. */
const TIMEOUT_MS = 50
/** Statements that take longer are ended: what they hold has shown by then. */
const LONGEST_MS = 15_000

const probe = path.join(path.dirname(fileURLToPath(import.meta.url)), 'loop-probe.mjs')

/** COPY by hand: node-postgres has none of its own. */
function copy(client, sql, chunks) {
  return new Promise((resolve, reject) => {
    const { connection } = client
    const query = {
      submit: () => connection.query(sql),
      handleRowDescription() {},
      handleDataRow() {},
      handlePortalSuspended() {},
      handleCommandComplete() {},
      handleEmptyQuery() {},
      handleCopyInResponse() {
        for (const chunk of chunks) connection.sendCopyFromChunk(Buffer.from(chunk))
        connection.endCopyFrom()
      },
      handleCopyData() {},
      handleError: reject,
      handleReadyForQuery: () => resolve(),
    }
    client.query(query)
  })
}

function* lines(count) {
  for (let i = 0; i < count; i += 2000) {
    let chunk = ''
    for (let k = i; k < Math.min(count, i + 2000); k++) chunk += `${k}\tpayload number ${k}\n`
    yield chunk
  }
}

export async function benchLoop({ only, cancel }) {
  const server = await startOurs({ NODE_OPTIONS: `--import=${probe}` }, ['ipc'])
  const options = { host: '127.0.0.1', port: server.port, user: 'bench.admin', password: 'admin', database: 'bench' }
  const connect = async () => {
    const client = new pg.Client(options)
    client.on('error', () => {})
    await client.connect()
    return client
  }
  const ask = async (message) => {
    server.child.send(message)
    const [answer] = await once(server.child, 'message')
    return answer
  }
  const client = await connect()
  const run = async (what) => {
    if (typeof what === 'string') await client.query({ text: what, rowMode: 'array' })
    else if (typeof what === 'function') await what(client)
    else if (what.many !== undefined)
      for (let i = 0; i < what.many[0]; i += 50) await client.query(Array.from({ length: 50 }, (_, k) => what.many[1](i + k)).join(';'))
    else if (what.copyIn !== undefined) await copy(client, `COPY ${what.copyIn} FROM STDIN`, lines(what.lines))
    else if (what.copyOut !== undefined) await copy(client, `COPY ${what.copyOut} TO STDOUT`)
    else if (what.login) await (await connect()).end()
  }
  const settle = () => new Promise((resolve) => setTimeout(resolve, 150))
  const over = []
  try {
    for (const sql of SETUP) await client.query(sql)
    console.log(`${''.padEnd(42)} longest hold   whole${cancel ? '   timeout late by' : ''}`)
    for (const [name, what, before = [], after = []] of CASES) {
      if (only !== null && !only.some((part) => name.includes(part))) continue
      let line = `${name.padEnd(42)} `
      for (const withTimeout of cancel ? [false, true] : [false]) {
        await client.query('DROP TABLE IF EXISTS changed')
        for (const step of before) await run(step)
        await settle()
        await client.query(`SET statement_timeout = ${withTimeout ? TIMEOUT_MS : LONGEST_MS}`)
        await ask('start')
        const startedAt = performance.now()
        const failed = await run(what).then(
          () => null,
          (error) => error,
        )
        const whole = performance.now() - startedAt
        // what the statement left to do goes on for a moment
        await settle()
        const { hold, why } = await ask('stop')
        if (withTimeout) {
          line += failed?.code === '57014' ? `${(whole - TIMEOUT_MS).toFixed(0).padStart(10)} ms` : `        ${failed?.code ?? 'ended'}`
        } else {
          if (hold > GOAL_MS) over.push(name)
          line += `${hold.toFixed(1).padStart(9)} ms ${whole.toFixed(0).padStart(6)} ms`
          if (failed !== null) line += `   ${failed.code} ${failed.message}`
          for (const stack of why) line += `\n    ${stack}`
        }
        if (failed !== null) await client.query('ROLLBACK')
        await client.query('RESET statement_timeout')
        for (const step of after) await run(step).catch(() => {})
      }
      console.log(line)
    }
  } finally {
    await client.end()
    await server.stop()
  }
  console.log(`\nabove ${GOAL_MS} ms: ${over.length}${over.length > 0 ? ` (${over.join('; ')})` : ''}`)
}
