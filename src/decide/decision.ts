/** What is decided, and why. Source: RFC 5321 §4.2 (replies). */
import type { Domain, IpAddress, PermanentReply, TransientReply } from '../mail/index.ts';
import type { TrustFinding } from './trust.ts';

/** `pass` means no objection: it never becomes Postfix's OK, so nothing that Postern says opens a relay. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'reject'; readonly reply: PermanentReply }
  | { readonly kind: 'defer'; readonly reply: TransientReply };

/** What becomes of a whole message. `quarantine`: it waits in Postfix's hold queue; `discard`: it is taken and thrown away. */
export type MessageVerdict =
  Verdict | { readonly kind: 'quarantine'; readonly reason: string } | { readonly kind: 'discard' };

/** Every rule that a reason may name. */
export type RuleId =
  | 'internal-domain'
  | 'own-domain'
  | 'trust'
  | 'true-client'
  | 'ip-allow'
  | 'ip-block'
  | 'short-term-block'
  | 'gateway-only'
  | 'tls-required'
  | 'marks'
  | 'dkim-sign'
  | 'routing'
  | 'unknown-recipient'
  | 'spam-pattern'
  | 'one-domain'
  | 'enforcement';

/**
 * One rule's word. `setting` is the JSON pointer of what it rests on, or null. `considered` is false for a rule
 * that was not reached because another had refused before it.
 */
export type Reason = {
  readonly rule: RuleId;
  readonly setting: string | null;
  readonly text: string;
  readonly considered: boolean;
};

/** The decision about one recipient. */
export type RecipientDecision = {
  readonly verdict: Verdict;
  /** What would have been, where the own domain is only observed. */
  readonly observed: Verdict | null;
  /** The reason that decided: the refusal's, or the one that says why there is no objection. */
  readonly decisive: Reason;
  readonly reasons: readonly Reason[];
  /** The own domain that decided; null where the recipient is not ours. */
  readonly domain: Domain | null;
  readonly mail: 'internal' | 'external';
  readonly trust: TrustFinding;
  /** Null where it is not known: behind a gateway before the headers are seen, or no IP client at all. */
  readonly trueClient: IpAddress | null;
  readonly throughGateway: boolean;
  readonly bypassSpamFilter: boolean;
};
