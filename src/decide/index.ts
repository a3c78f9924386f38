/** The face of the decisions. */
export { decideRecipient, trustOf } from './decide.ts';
export type { Reason, RecipientDecision, RuleId, Verdict } from './decision.ts';
export type { Client, RecipientTransaction, Stage } from './facts.ts';
export type { TrustFinding } from './trust.ts';
