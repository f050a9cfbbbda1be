// Stored trees as SQL for pg_get_viewdef and its kin, over the catalogue and search path of a session.

import type { Deparser } from '../catalog/definition-functions.ts'
import {
  constraintDefinition,
  domainConstraintDefinition,
  indexDefinition,
  storedExpressionText,
  viewDefinition,
} from '../sql/analyzer/ruleutils/definitions.ts'
import type { DeparseContext } from '../sql/analyzer/ruleutils/writer.ts'
import { readStoredQuery } from '../sql/analyzer/stored.ts'
import type { Session } from './session.ts'

export function sessionDeparser(session: Session): Deparser {
  const context = (): DeparseContext => ({
    catalog: session.planning.snapshot(),
    searchPath: session.planning.searchPath().oids,
    typeSupport: (type) => session.planning.supportOf(type),
    io: session.context.io,
  })
  return {
    expression: (stored, relation, pretty) => storedExpressionText(stored, relation, context(), pretty),
    view: (query, columns, pretty) =>
      viewDefinition(
        readStoredQuery(query, (type) => session.planning.supportOf(type)),
        columns,
        context(),
        pretty,
      ),
    index: (table, index, column, pretty) => indexDefinition(table, index, context(), pretty, column),
    domainConstraint: (check, pretty) => domainConstraintDefinition(check, context(), pretty),
    constraint: (table, constraint, pretty) => constraintDefinition(table, constraint, context(), pretty),
  }
}
