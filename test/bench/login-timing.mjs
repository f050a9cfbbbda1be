// How long refused logins take, by what was wrong with them: an unknown tenant, an unknown role or a wrong password must not be told apart
// (tenants' names and users' would leak). Speaks the protocol itself, so that no client's password hashing blurs the times. Two times count:
// until the server's SCRAM challenge, and until the refusal.

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

const int32 = (n) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(n)
  return bytes
}
const message = (type, ...parts) => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

/** [ms to the challenge, ms to the refusal] of one login with a proof that is right for nobody. */
function refusedLogin(port, user) {
  return new Promise((resolve, reject) => {
    const nonce = randomBytes(18).toString('base64')
    const first = `n=,r=${nonce}`
    let start = 0
    let challenged = 0
    let received = Buffer.alloc(0)
    const socket = connect(port, '127.0.0.1', () => {
      const startup = Buffer.concat([int32(196608), Buffer.from(`user\0${user}\0database\0bench\0\0`)])
      start = performance.now()
      socket.write(Buffer.concat([int32(startup.length + 4), startup]))
    })
    socket.setNoDelay(true)
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 5 && received.length >= 1 + received.readInt32BE(1)) {
        const size = 1 + received.readInt32BE(1)
        const type = String.fromCharCode(received[0])
        const body = received.subarray(5, size)
        received = received.subarray(size)
        if (type === 'E') {
          socket.destroy()
          resolve([challenged - start, performance.now() - start])
        } else if (type === 'R' && body.readInt32BE(0) === 10) {
          const initial = Buffer.from(`n,,${first}`)
          socket.write(message('p', Buffer.from('SCRAM-SHA-256\0'), int32(initial.length), initial))
        } else if (type === 'R' && body.readInt32BE(0) === 11) {
          challenged = performance.now()
          const combined = /r=([^,]*)/.exec(body.toString('utf8', 4))[1]
          socket.write(message('p', Buffer.from(`c=biws,r=${combined},p=${randomBytes(32).toString('base64')}`)))
        } else reject(new Error(`unexpected message ${type} while logging in as ${user}`))
      }
    })
  })
}

/** Mean and median, in ms, for each kind; the kinds take turns. */
export async function loginTimes(port, rounds) {
  const kinds = {
    'unknown tenant': () => `gone_${randomBytes(4).toString('hex')}.app`,
    'unknown role': () => 'bench.nobody',
    'wrong password': () => 'bench.admin',
  }
  const times = new Map(Object.keys(kinds).map((kind) => [kind, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [kind, user] of Object.entries(kinds)) times.get(kind).push(await refusedLogin(port, user()))
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
  return [...times].map(([kind, pairs]) => {
    // the first of a kind opens what later ones find open
    const [challenge, refusal] = [0, 1].map((which) => pairs.slice(1).map((pair) => pair[which]))
    return {
      kind,
      challenge: { mean: mean(challenge), median: median(challenge) },
      refusal: { mean: mean(refusal), median: median(refusal) },
    }
  })
}
