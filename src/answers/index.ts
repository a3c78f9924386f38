/** The face of the answers: decisions in Postfix's language. */
export { POLICY_FAILURE_ACTION, renderPolicyAction } from './policy-action.ts';
export { adviseOnMilters } from './milter-advice.ts';
export { renderMilterChanges } from './milter-changes.ts';
export { adviseOnRestrictions, type Advice } from './postfix-advice.ts';
export { mainLines, policyRestriction, type DoorEndpoints, type MainLine } from './postfix-lines.ts';
export { answerSocketmap, renderTlsPolicy, SOCKETMAPS } from './socketmap-answer.ts';
