/** The face of the decisions. */
export { decideRecipient, trustOf } from './decide.ts';
export { clientsBehindGateways } from './clients-behind-gateways.ts';
export { decideMessage, type MessageDecision } from './message.ts';
export { ROUTE_FIELD, type Mailbox, type OwnReading, type RouteDelivery, type Routing } from './rules/routing.ts';
export type { NotSigned } from './rules/dkim-sign.ts';
export { gatewaysBehind } from './gateways.ts';
export type { MessageVerdict, Reason, RecipientDecision, RuleId, Verdict } from './decision.ts';
export { ownReading, recipientReading } from './readings.ts';
export { whetherExists, type MapAnswer, type MapQuestion } from './who-exists.ts';
export type {
  Author,
  Client,
  ExistenceFact,
  HeaderField,
  MessageRecipient,
  MessageTransaction,
  RecipientTransaction,
  ShortTermBlockFact,
  SpamHit,
  Stage,
} from './facts.ts';
export type { TrustFinding } from './trust.ts';
