// Loaded into the server by loop.mjs (`node --import`): measures how long one turn of the event loop keeps everybody else waiting, in CPU time of
// the main thread, which other programs on the machine don't lengthen. Message 'start' begins a measurement, 'stop' answers the longest hold in
// milliseconds; with LOOP_WHY=1 also what ran in the long ones.

import { openSync, readSync } from 'node:fs'
import { Session } from 'node:inspector'

const stat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
const bytes = Buffer.alloc(64)
/** Nanoseconds the main thread has run. */
function cpu() {
  const length = readSync(stat, bytes, 0, 64, 0)
  return Number(bytes.latin1Slice(0, length).split(' ', 1)[0])
}
const now = () => Number(process.hrtime.bigint() / 1000n)

/** Holds worth a look, in nanoseconds, and how many of them. */
const LONG = 15e6
const SHOWN = 6

const profiler = process.env.LOOP_WHY === '1' ? new Session() : null
let longest = 0
let holds = []
let lastCpu = cpu()
let lastNow = now()
setInterval(() => {
  const spent = cpu() - lastCpu
  const at = now()
  if (spent > longest) longest = spent
  if (profiler !== null && spent > LONG) holds.push({ spent, from: lastNow, to: at })
  lastCpu = cpu()
  lastNow = at
}, 1).unref()

const post = (method, params) => new Promise((resolve, reject) => profiler.post(method, params, (e, r) => (e ? reject(e) : resolve(r))))
if (profiler !== null) {
  profiler.connect()
  await post('Profiler.enable')
  await post('Profiler.setSamplingInterval', { interval: 500 })
}

/** The stacks of one hold, most frequent first. */
function stacks(profile, { spent, from, to }) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map()
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id)
  const counts = new Map()
  let at = profile.startTime
  let total = 0
  profile.samples.forEach((id, i) => {
    at += profile.timeDeltas[i]
    if (at < from || at > to) return
    total++
    const frames = []
    for (let n = id; n !== undefined && frames.length < 14; n = parents.get(n)) {
      const { callFrame, positionTicks } = nodes.get(n)
      const { functionName, url, lineNumber } = callFrame
      // in the function itself the line most often seen, for its callers where they begin
      const line = n === id ? positionTicks?.reduce((most, tick) => (tick.ticks > most.ticks ? tick : most)).line : undefined
      if (functionName !== '(root)')
        frames.push(`${functionName || '(anonymous)'} ${url.replace(/.*\/dist\//, '')}:${line ?? lineNumber + 1}`)
    }
    for (const part of [frames.slice(0, 1), frames]) {
      const key = part.join('\n      ')
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  })
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 12)
  return [`${(spent / 1e6).toFixed(1)} ms:`, ...most.map(([key, n]) => `${((100 * n) / total).toFixed(0)} % ${key}`)]
}

process.on('message', async (message) => {
  if (message !== 'start' && message !== 'stop') return
  if (message === 'start') {
    if (profiler !== null) await post('Profiler.start')
    longest = 0
    holds = []
    lastCpu = cpu()
    lastNow = now()
    process.send({ started: true })
    return
  }
  const hold = longest / 1e6
  const shown = holds.sort((a, b) => b.spent - a.spent).slice(0, SHOWN)
  const profile = profiler === null ? null : (await post('Profiler.stop')).profile
  const why = profile === null ? [] : shown.flatMap((one) => stacks(profile, one))
  process.send({ hold, why })
})
process.channel?.unref()
