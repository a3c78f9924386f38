/** The face of the answers: decisions in Postfix's language. */
export { POLICY_FAILURE_ACTION, renderPolicyAction } from './policy-action.ts';
export { adviseOnMilterMap, adviseOnMilters } from './milter-advice.ts';
export { renderMilterChanges } from './milter-changes.ts';
export { adviseOnLog, adviseOnRestrictions, type Advice, type LogFacts } from './postfix-advice.ts';
export {
  adviseOnDomainClasses,
  CLASS_PARAMETERS,
  keysOf,
  matchesDomain,
  parseDomainPattern,
  type ClassParameter,
  type DomainClasses,
} from './postfix-plan/domain-classes.ts';
export { optionalLines } from './postfix-lines.ts';
export { policyRestriction } from './postfix-plan/edits.ts';
export { splitList } from './postfix-plan/list-edit.ts';
export type { ConfigurationTexts } from './postfix-plan/places.ts';
export {
  NO_NEEDS,
  PARAMETERS_WITH_DEFAULTS,
  planPostfix,
  type DoorEndpoints,
  type NeededService,
  type PostfixNeeds,
  type PostfixPlan,
  type ServiceLeft,
} from './postfix-plan/plan.ts';
export { hasRoutes, parseRecord, renderRecord, whileChanging, type AppliedRecord } from './postfix-plan/record.ts';
export { adviseOnReinjection } from './postfix-plan/reinjection.ts';
export { settlePlan, takeBackRecord, type Difference, type SettledLine } from './postfix-plan/settle.ts';
export { viewOf, type PostfixView } from './postfix-plan/view.ts';
export {
  answerSocketmap,
  recipientOfKey,
  renderTlsPolicy,
  SOCKETMAPS,
  type SocketmapFacts,
} from './socketmap-answer.ts';
export { decodeBounceText } from './routes/bounce-text.ts';
export { renderRouteChanges, type EnvelopeRecipient } from './routes/route-changes.ts';
export { fallbackKey, renderRouteMaps, ROUTE_TABLES } from './routes/route-maps.ts';
export { installedParts, routeNeeds, type TableName } from './routes/route-needs.ts';
