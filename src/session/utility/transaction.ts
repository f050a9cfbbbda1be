// BEGIN, COMMIT, ROLLBACK, savepoints, and what their ends mean for everything a transaction holds. // hot

import { notSupported, PgError } from '../../base/errors.ts'
import type { Timestamp } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { CatalogMiss } from '../../catalog/snapshot.ts'
import { type NodeOf, nodeAs } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { KvError } from '../../storage/kv-error.ts'
import type { Transaction } from '../../storage/store.ts'
import type { Session } from '../session.ts'
import { hasOnCommit, onCommitTemporary } from '../temporary.ts'
import { type ClientIsolation, type Marks, noActiveTransaction, type TransactionModes } from '../transaction-block.ts'

/** Ends the transaction by committing it; on failure it is rolled back and the error thrown. */
export function commitTransaction(session: Session): MaybePromise<void> {
  const { txn } = session.block
  try {
    session.notifications.beforeCommit()
    if (txn === null) {
      const told = session.notifications.store(null)
      if (!(told instanceof Promise)) return finish(session, true)
      return told.then(() => finish(session, true)).catch((error: unknown) => rollBackAfter(session, error))
    }
    const prepared = session.portals.cursors.size === 0 && !hasOnCommit(session) ? session.deferred.run(txn) : beforeCommit(session)
    if (prepared instanceof Promise) {
      return prepared.then(() => publish(session)).catch((error: unknown) => rollBackAfter(session, error))
    }
    const done = publish(session)
    return done instanceof Promise ? done.catch((error: unknown) => rollBackAfter(session, error)) : undefined
  } catch (error) {
    return rollBackAfter(session, error)
  }
}

async function beforeCommit(session: Session): Promise<void> {
  await session.deferred.run(session.block.txn!)
  for (const cursor of session.portals.cursors.values()) if (cursor.options.holdable) await cursor.hold()
  if (hasOnCommit(session)) await onCommitTemporary(session)
}

function publish(session: Session): MaybePromise<void> {
  const { catalogTxn, gateHold } = session
  if (!catalogTxn?.changesShared) return store(session)
  const opened = gateHold?.prepareCommit(catalogTxn.txn)
  const published = opened instanceof Promise ? opened.then(() => catalogTxn.prepareCommit()) : catalogTxn.prepareCommit()
  if (published instanceof Promise) return published.then(() => store(session))
  return store(session)
}

function store(session: Session): MaybePromise<void> {
  const txn = session.block.txn!
  const told = session.notifications.store(txn.dirty ? txn : null)
  return told instanceof Promise ? told.then(() => commitStore(session, txn)) : commitStore(session, txn)
}

function commitStore(session: Session, txn: Transaction): MaybePromise<void> {
  const limit = txn.dirty ? session.keyspace.catalog.versions.commitLimit() : null
  const committed = limit === null ? commitNow(session, txn) : commitInTime(session, txn, limit)
  if (committed instanceof Promise) return committed.then(() => finish(session, true))
  finish(session, true)
}

function commitNow(session: Session, txn: Transaction): MaybePromise<unknown> {
  return txn.dirty && session.settings.get('synchronous_commit') === 'off' ? txn.commit({ relaxed: true }) : txn.commit()
}

/** Commits under the lease on the catalogue's version: no later than it allows, or not at all. */
async function commitInTime(session: Session, txn: Transaction, limit: MaybePromise<Timestamp>): Promise<unknown> {
  const { versions } = session.keyspace.catalog
  const { catalogEpoch } = session.block
  const isCurrent = (): boolean => versions.epoch === catalogEpoch
  const maxCommitTs = await limit
  if (!isCurrent()) {
    throw new KvError('schemaChanged', 'another node changed the catalogue while this one could not be told', { retryable: true })
  }
  return txn.commit({
    maxCommitTs,
    laterCommitTs: async () => {
      const later = await versions.commitLimit()
      return later !== null && isCurrent() ? later : maxCommitTs
    },
  })
}

function rollBackAfter(session: Session, error: unknown): MaybePromise<void> {
  // A check needs a part of the catalogue that is not here: the session fetches it and begins this commit anew.
  if (error instanceof CatalogMiss) throw error
  const done = abortTransaction(session)
  if (done instanceof Promise) {
    return done.then(() => {
      throw error
    })
  }
  throw error
}

export function abortTransaction(session: Session): MaybePromise<void> {
  const { txn } = session.block
  // What reads in it lets go of it first.
  session.portals.transactionEnds(false)
  try {
    return txn?.rollback()
  } finally {
    finish(session, false)
  }
}

/** A statement of a block failed: its work since the innermost savepoint, or all, is undone and holds nobody up, whenever the block ends. */
export function failTransaction(session: Session): MaybePromise<void> {
  session.portals.fail(session.block.subtransactionStart?.portals ?? 0)
  return andThen(session.block.fail(), (marks) => {
    if (marks !== null) return restore(session, marks)
    session.releaseRelations(false)
    session.advisory.transactionEnds()
    return undefined
  })
}

/** Back to a savepoint with everything besides the store's part. */
function restore(session: Session, marks: Marks): MaybePromise<void> {
  session.settings.rollbackTo(marks.settings)
  session.deferred.rollbackTo(marks.deferred)
  session.notifications.rollbackTo(marks.notifications)
  session.catalogTxn?.rollbackTo(marks.catalog)
  session.keyspace.locks.releaseTo(session.lockHolder, marks.locks)
  session.advisory.rollbackTo(marks.advisory)
  return session.gateHold === null ? undefined : session.openGates(marks.gates)
}

/** Everything that ends with the transaction besides the store's part. */
function finish(session: Session, committed: boolean): void {
  session.block.end()
  session.portals.transactionEnds(committed)
  session.deferred.clear()
  const { catalogTxn } = session
  if (catalogTxn !== null) {
    if (committed) catalogTxn.committed()
    else catalogTxn.aborted()
    session.catalogTxn = null
    if (!session.temporary.isEmpty) session.keyspace.temporary.add(session.temporary)
  }
  session.settings.endTransaction(committed)
  session.transactionEnded(committed)
}

function modesFrom(session: Session, options: NodeOf['TransactionStmt']['options']): TransactionModes {
  const modes = session.defaultModes()
  for (const option of options ?? []) applyMode(session, modes, option as NodeOf)
  return modes
}

/** One `transaction_isolation`, `transaction_read_only` or `transaction_deferrable`. */
export function applyMode(session: Session, modes: TransactionModes, option: NodeOf): void {
  const { defname, arg } = option.DefElem
  const constant = nodeAs(arg, 'A_Const')
  switch (defname) {
    case 'transaction_isolation':
      modes.isolation = isolationLevel(session, constant?.sval?.sval ?? '')
      break
    case 'transaction_read_only':
      modes.readOnly = (constant?.ival?.ival ?? 0) !== 0
      break
    case 'transaction_deferrable':
      modes.deferrable = (constant?.ival?.ival ?? 0) !== 0
      break
  }
}

/** A store without true serializability refuses it rather than being weaker. */
export function isolationLevel(session: Session, text: string): ClientIsolation {
  if (text === 'serializable' && !session.keyspace.capabilities.serializable) {
    throw notSupported(
      'SERIALIZABLE is not supported on this store',
      'Use REPEATABLE READ and lock the rows you decide on with SELECT … FOR UPDATE.',
    )
  }
  return text as ClientIsolation
}

const warn = (session: Session, code: 'activeSqlTransaction' | 'noActiveSqlTransaction', message: string) =>
  session.notice({ severity: 'WARNING', code: SQLSTATE[code], message })

/** Runs the statement and answers its command tag. In a failed block only what ends it or goes back in it is allowed. */
export function runTransactionStatement(session: Session, statement: ParsedStatement): MaybePromise<string> {
  const node = nodeAs(statement.node!, 'TransactionStmt')!
  const { block } = session
  switch (node.kind) {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START': {
      const tag = node.kind === 'TRANS_STMT_BEGIN' ? 'BEGIN' : 'START TRANSACTION'
      if (block.state === 'failed') throw failedBlock()
      if (block.state === 'block') {
        warn(session, 'activeSqlTransaction', 'there is already a transaction in progress')
        return tag
      }
      block.begin(block.used ? block.modes : modesFrom(session, node.options))
      session.settings.beginTransaction()
      session.showModes()
      return tag
    }
    case 'TRANS_STMT_COMMIT':
      return commit(session, node)
    case 'TRANS_STMT_ROLLBACK': {
      const modes = block.modes
      if (!block.inBlock) {
        if (node.chain) throw noActiveTransaction('ROLLBACK AND CHAIN')
        warn(session, 'noActiveSqlTransaction', 'there is no transaction in progress')
      }
      const done = abortTransaction(session)
      const answer = () => {
        if (node.chain) chain(session, modes)
        return 'ROLLBACK'
      }
      return done instanceof Promise ? done.then(answer) : answer()
    }
    case 'TRANS_STMT_SAVEPOINT':
      if (block.state === 'failed') throw failedBlock()
      if (!block.inBlock) throw noActiveTransaction('SAVEPOINT')
      return setSavepoint(session, node.savepoint_name!)
    case 'TRANS_STMT_RELEASE':
      if (block.state === 'failed') throw failedBlock()
      if (!block.inBlock) throw noActiveTransaction('RELEASE SAVEPOINT')
      block.release(node.savepoint_name!)
      session.showModes()
      return 'RELEASE'
    case 'TRANS_STMT_ROLLBACK_TO': {
      if (!block.inBlock) throw noActiveTransaction('ROLLBACK TO SAVEPOINT')
      const marks = block.rollbackTo(node.savepoint_name!)
      return andThen(marks, (to) => {
        session.portals.rollbackTo(to.portals)
        return andThen(restore(session, to), () => 'ROLLBACK')
      })
    }
    default:
      throw notSupported('prepared transactions are not supported', 'Two-phase commit across databases is not available.')
  }
}

const failedBlock = () =>
  new PgError(SQLSTATE.inFailedSqlTransaction, 'current transaction is aborted, commands ignored until end of transaction block')

function setSavepoint(session: Session, name: string): MaybePromise<string> {
  const set = () => {
    session.block.setSavepoint(name, {
      settings: session.settings.mark(),
      catalog: session.catalogTxn?.savepoint() ?? 0,
      deferred: session.deferred.mark(),
      locks: session.lockHolder.taken.length,
      advisory: session.advisory.mark(),
      gates: session.gateHold?.mark() ?? null,
      notifications: session.notifications.mark(),
      portals: session.portals.mark(),
    })
    return 'SAVEPOINT'
  }
  // The store's transaction must exist for its savepoint to mean something.
  const txn = session.transaction(false, false)
  return txn instanceof Promise ? txn.then(set) : set()
}

function commit(session: Session, node: NodeOf['TransactionStmt']): MaybePromise<string> {
  const { block } = session
  const { modes } = block
  if (block.state === 'failed') {
    const done = abortTransaction(session)
    const answer = () => {
      if (node.chain) chain(session, modes)
      return 'ROLLBACK'
    }
    return done instanceof Promise ? done.then(answer) : answer()
  }
  if (!block.inBlock) {
    if (node.chain) throw noActiveTransaction('COMMIT AND CHAIN')
    warn(session, 'noActiveSqlTransaction', 'there is no transaction in progress')
  }
  const done = commitTransaction(session)
  const answer = () => {
    if (node.chain) chain(session, modes)
    return 'COMMIT'
  }
  return done instanceof Promise ? done.then(answer) : answer()
}

function chain(session: Session, modes: TransactionModes): void {
  session.block.begin(modes)
  session.settings.beginTransaction()
  session.showModes()
}
