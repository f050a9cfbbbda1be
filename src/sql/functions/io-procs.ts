// The I/O functions of pg_type as bodies (int4in, int4out, int4send …), made from TypeSupport: `int4in('7')` and a parameter go one way.

import { ByteWriter } from '../../base/bytes.ts'
import type { PgTypeRow } from '../builtin/data/rows.ts'
import { procByOid } from '../builtin/pg-proc.ts'
import type { EvalContext } from '../types/eval-context.ts'
import type { ProcBody } from '../types/procs.ts'
import type { Present, TypeSupport } from '../types/type.ts'

const scratch = new ByteWriter(1024)

/** The context stands behind pg_proc's arguments. */
const contextOf = (args: unknown[], pronargs: number): EvalContext => args[pronargs] as EvalContext

function inputBody(support: TypeSupport, pronargs: number): ProcBody {
  return (...args) => support.input(args[0] as string, pronargs === 3 ? (args[2] as number) : -1, contextOf(args, pronargs))
}

function receiveBody(support: TypeSupport, pronargs: number): ProcBody {
  return (...args) => {
    const bytes = args[0] as Buffer
    return support.receive(bytes, 0, bytes.length, pronargs === 3 ? (args[2] as number) : -1, contextOf(args, pronargs))
  }
}

function sendBody(support: TypeSupport): ProcBody {
  return (value) => {
    support.send(value as Present, scratch.reset())
    return scratch.finish()
  }
}

/** prosrc and body of every I/O function of the base types (polymorphic ones, `array_in` and the like, are their families' own). */
export function* ioProcs(types: readonly PgTypeRow[], supportOf: (oid: number) => TypeSupport | null): Generator<[string, ProcBody]> {
  for (const type of types) {
    if (type.typtype !== 'b' || procByOid(type.typinput)?.prosrc === 'array_in') continue
    const support = supportOf(type.oid)
    if (support === null) continue
    const [typinput, typoutput, typreceive, typsend] = [type.typinput, type.typoutput, type.typreceive, type.typsend].map(procByOid)
    if (typinput !== undefined) yield [typinput.prosrc, inputBody(support, typinput.pronargs)]
    if (typoutput !== undefined) yield [typoutput.prosrc, (...args) => support.output(args[0] as Present, contextOf(args, 1).io)]
    if (typreceive !== undefined) yield [typreceive.prosrc, receiveBody(support, typreceive.pronargs)]
    if (typsend !== undefined) yield [typsend.prosrc, sendBody(support)]
  }
}
