// The first two bytes of every key of a keyspace's metadata, `m` and a letter, in the one place where a letter is given out: two that shared one
// would read, and erase, each other's records. What lies behind them is documented where the keys are made: rows/keys.ts, catalog/keys.ts, and for
// keyspace `system` tenancy/directory.ts and server/node-mail.ts.

export const META = {
  // the catalogue
  marker: 'mp',
  oidCounter: 'mc',
  object: 'mo',
  name: 'mn',
  dependency: 'md',
  reverseDependency: 'mD',
  comment: 'mt',
  defaultAcl: 'ma',
  functionAcls: 'mf',
  statistics: 'mA',
  settings: 'ms',
  garbage: 'mg',
  // counters
  sequence: 'mq',
  rowId: 'mr',
  // between nodes
  version: 'mv',
  presence: 'mw',
  gateRecord: 'mx',
  gateLock: 'mX',
  notification: 'ml',
  advisoryLock: 'mL',
  sharedAdvisoryLock: 'mS',
  connectionPlace: 'mR',
  peer: 'mu',
  peerAnswer: 'mU',
  // keyspace `system`
  directory: 'mk',
  nodeNumber: 'mz',
  mailbox: 'mY',
} as const
