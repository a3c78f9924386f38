/** The face of the decisions. */
export { decideRecipient, trustOf } from './decide.ts';
export { decideMessage, type MessageDecision } from './message.ts';
export { ROUTE_FIELD, type Mailbox, type RouteDelivery, type Routing } from './rules/routing.ts';
export type { NotSigned } from './rules/dkim-sign.ts';
export type { Reason, RecipientDecision, RuleId, Verdict } from './decision.ts';
export type {
  Author,
  Client,
  HeaderField,
  MessageRecipient,
  MessageTransaction,
  RecipientTransaction,
  Stage,
} from './facts.ts';
export type { TrustFinding } from './trust.ts';
