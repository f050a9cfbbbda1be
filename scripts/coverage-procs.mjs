// Lists pg_proc's functions that have no body yet, and the share that has one. Run: npm run coverage:procs
import { build } from './setup.mjs'

build()
const { coverage } = await import('../dist/sql/functions/registry.js')
const { present, missing } = coverage()
for (const name of missing) console.log(name)
console.log(
  `bodies: ${present.length} of ${present.length + missing.length} (${Math.round((100 * present.length) / (present.length + missing.length))} %)`,
)
