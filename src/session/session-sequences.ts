// nextval, currval, lastval and setval as a session sees them: privileges, and the values it was given last.

import type { Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { ACL } from '../catalog/acl.ts'
import type { RelationDescriptor } from '../catalog/descriptors.ts'
import { permissionDenied, relationMask } from '../catalog/privileges.ts'
import { withCatalog } from '../catalog/snapshot.ts'
import { isTemporary } from '../catalog/temporary.ts'
import { normalInt8 } from '../sql/types/codecs.ts'
import type { SequenceAccess } from '../sql/types/eval-context.ts'
import type { SequenceParameters } from '../storage/rows/sequences.ts'
import { cannotExecuteReadOnly } from './read-only.ts'
import type { Session } from './session.ts'

const parametersOf = new WeakMap<RelationDescriptor, SequenceParameters>()

export function sequenceParameters(descriptor: RelationDescriptor): SequenceParameters {
  let made = parametersOf.get(descriptor)
  if (made === undefined) {
    const sequence = descriptor.sequence!
    made = {
      name: descriptor.name,
      start: BigInt(sequence.start),
      increment: BigInt(sequence.increment),
      min: BigInt(sequence.min),
      max: BigInt(sequence.max),
      cycle: sequence.cycle,
    }
    parametersOf.set(descriptor, made)
  }
  return made
}

export class SessionSequences implements SequenceAccess {
  readonly #session: Session
  /** By OID: the value nextval or setval gave this session last. */
  readonly #last = new Map<Oid, number | bigint>()
  #lastUsed: Oid | null = null

  constructor(session: Session) {
    this.#session = session
  }

  /** Any of `privileges` will do; 0 = none is needed. */
  #find(oid: Oid, privileges: number): RelationDescriptor {
    const snapshot = this.#session.planning.snapshot()
    const relation = snapshot.relation(oid)
    if (relation === null) throw new PgError(SQLSTATE.undefinedTable, `relation with OID ${oid} does not exist`)
    const { descriptor } = relation
    if (descriptor?.kind !== 'S') throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not a sequence`)
    const allowed = privileges === 0 || relationMask(snapshot, relation, this.#session.roles.current, privileges) !== 0
    if (!allowed) throw permissionDenied('sequence', relation.name)
    return descriptor
  }

  nextval(oid: Oid, internal = false): MaybePromise<number | bigint> {
    // What is missed of the catalogue is fetched here: a statement that began anew would leave a gap.
    return andThen(
      withCatalog(() => this.#find(oid, internal ? 0 : ACL.usage | ACL.update)),
      (descriptor) => {
        if (this.#session.block.modes.readOnly && !isTemporary(oid)) throw cannotExecuteReadOnly('nextval()')
        const value = this.#session.keyspace.sequences.nextval(descriptor.sequence!.counterId, sequenceParameters(descriptor))
        return andThen(value, (number) => {
          this.#last.set(oid, number)
          this.#lastUsed = oid
          return number
        })
      },
    )
  }

  currval(oid: Oid): number | bigint {
    const descriptor = this.#find(oid, ACL.usage | ACL.select)
    const value = this.#last.get(oid)
    if (value === undefined) {
      throw new PgError(
        SQLSTATE.objectNotInPrerequisiteState,
        `currval of sequence "${descriptor.name}" is not yet defined in this session`,
      )
    }
    return value
  }

  lastval(): number | bigint {
    const value = this.#lastUsed === null ? undefined : this.#last.get(this.#lastUsed)
    // one that is gone has no last value
    if (value === undefined || this.#session.planning.snapshot().relation(this.#lastUsed!) === null)
      throw new PgError(SQLSTATE.objectNotInPrerequisiteState, 'lastval is not yet defined in this session')
    this.#find(this.#lastUsed!, ACL.usage | ACL.select)
    return value
  }

  setval(oid: Oid, value: number | bigint, isCalled: boolean): MaybePromise<number | bigint> {
    return andThen(
      withCatalog(() => this.#find(oid, ACL.update)),
      (descriptor) => {
        if (this.#session.block.modes.readOnly && !isTemporary(oid)) throw cannotExecuteReadOnly('setval()')
        const parameters = sequenceParameters(descriptor)
        const wanted = BigInt(value)
        const done = this.#session.keyspace.sequences.setval(descriptor.sequence!.counterId, parameters, wanted, isCalled)
        return andThen(done, () => {
          if (isCalled) this.#last.set(oid, value)
          return value
        })
      },
    )
  }

  /** What SELECT … FROM the sequence shows; log_cnt: values taken from the store that nobody has been given. */
  row(descriptor: RelationDescriptor): MaybePromise<Row> {
    const { sequences } = this.#session.keyspace
    const { counterId } = descriptor.sequence!
    return andThen(sequences.state(counterId, sequenceParameters(descriptor)), ({ lastValue, isCalled }) => [
      normalInt8(lastValue),
      sequences.ahead(counterId),
      isCalled,
    ])
  }

  /** DISCARD SEQUENCES. */
  forget(): void {
    this.#last.clear()
    this.#lastUsed = null
  }
}
