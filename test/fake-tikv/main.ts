// `npm run fake-tikv -- [--stores 3] [--keyspaces test,other] [--pd-port N] [--seed S]`: one line on standard output when it listens. It ends
// with SIGTERM or SIGINT, or, when standard input is a pipe, when that closes.

import { fstatSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { startFake } from './fake.ts'

const { values } = parseArgs({
  options: {
    stores: { type: 'string', default: '3' },
    keyspaces: { type: 'string', default: '' },
    'pd-port': { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
})

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    process.stderr.write(`fake-tikv: --${name} must be a number\n`)
    process.exit(2)
  }
  return Number(text)
}

const fake = await startFake({
  stores: whole('stores', values.stores),
  keyspaces: values.keyspaces.split(',').filter(Boolean),
  pdPort: whole('pd-port', values['pd-port']),
  seed: whole('seed', values.seed),
})
process.stdout.write(
  `${JSON.stringify({ event: 'listening', pd: fake.pdAddress, control: fake.controlUrl, stores: fake.storeAddresses() })}\n`,
)

let isEnding = false
function end(): void {
  if (isEnding) return
  isEnding = true
  fake.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
const input = fstatSync(0)
if (input.isFIFO() || input.isSocket()) {
  process.stdin.on('end', end)
  process.stdin.on('error', end)
  process.stdin.resume()
}
