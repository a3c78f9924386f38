/**
 * What a decision is made from: one SMTP transaction as far as it has come, in our words, whichever door it came by.
 * Source: RFC 5321 §3.3 (transaction), Postfix SMTPD_POLICY_README (attributes).
 */
import type { Address, Domain, IpAddress } from '../mail/index.ts';
import type { Existence } from '../snapshot/index.ts';

/** How far the SMTP session is. */
export type Stage = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'message';

/**
 * Who hands the mail over: an SMTP client, local submission (sendmail(1)), or a client whose address is not to be
 * known (a socket, an unknown family): lists do not act on it.
 */
export type Client =
  { readonly kind: 'smtp'; readonly address: IpAddress } | { readonly kind: 'local' } | { readonly kind: 'unknown' };

/** An automatic block: until when it acts, in milliseconds since 1970, and why it was made. */
export type ShortTermBlockFact = { readonly until: number; readonly reason: string };

/**
 * Whether a recipient exists, and what says so. `unknown`: it cannot be found out now. `setting` is the JSON pointer of
 * the source, or of all of them.
 */
export type ExistenceFact = {
  readonly kind: Existence | 'unknown';
  readonly setting: string;
  readonly text: string;
};

/** One recipient of one transaction. `at` is in milliseconds since 1970. Absent facts are null. */
export type RecipientTransaction = {
  readonly stage: Stage;
  readonly client: Client;
  readonly saslUsername: string | null;
  /** Postfix `{daemon_name}`; the policy protocol does not tell it. */
  readonly daemonName: string | null;
  /** Whether the SMTP session is encrypted (STARTTLS or wrapped). */
  readonly encrypted: boolean;
  /** The reverse-path; null for `<>`. */
  readonly sender: Address | null;
  readonly recipient: Address;
  readonly at: number;
  /** The automatic block of the true client by the recipient's own domain; absent where there is none. */
  readonly shortTermBlock?: ShortTermBlockFact;
  /** Absent where its own domain does not say who exists: everybody does then. */
  readonly existence?: ExistenceFact;
  /** Absent before the end of the headers. */
  readonly headers?: readonly HeaderField[];
  /** The own domain of the recipient that was taken first in the same message; absent where there is none. */
  readonly earlierDomain?: Domain;
};

/** A header field as received: octets as latin1 text; `value` is all after the colon, folds as LF and white space. */
export type HeaderField = { readonly name: string; readonly value: string };

/** What a spam pattern found. `isCut`: not all of the header was looked at. `unknown`: it took too long. */
export type SpamHit =
  | { readonly kind: 'match'; readonly field: string }
  | { readonly kind: 'none'; readonly isCut: boolean }
  | { readonly kind: 'unknown' };

/** The domain of the single author, or why there is none to sign for. Source: RFC 5322 §3.6.2, RFC 6376 §8.15. */
export type Author = { readonly domain: Domain } | { readonly domain: null; readonly reason: string };

/**
 * A recipient that was taken. `resolved` is what Postfix makes of it: the address behind `%`, `!` and quoted forms, the
 * transport and the next hop; null where it does not tell (mail of sendmail(1)).
 * Source: MILTER_README, {rcpt_addr}, {rcpt_mailer}, {rcpt_host}.
 */
export type MessageRecipient = {
  readonly address: Address;
  readonly resolved: { readonly address: Address; readonly mailer: string; readonly host: string } | null;
};

/** One message at the end of its headers. */
export type MessageTransaction = Omit<
  RecipientTransaction,
  'recipient' | 'stage' | 'earlierDomain' | 'shortTermBlock' | 'existence'
> & {
  readonly recipients: readonly MessageRecipient[];
  readonly headers: readonly HeaderField[];
  readonly author: Author;
  /** Whether each recipient exists, in their order; null where its domain does not say. Absent where none says. */
  readonly existences?: readonly (ExistenceFact | null)[];
  /** What the spam patterns of gateways found, by own domain; absent where none had to be looked for. */
  readonly spamHits?: ReadonlyMap<Domain, SpamHit>;
  /** Recipients that Postfix has refused because they do not exist; absent where there are none. */
  readonly unknownRecipients?: readonly Address[];
  /** The automatic blocks of the clients behind gateways, by own domain; absent where there are none. */
  readonly shortTermBlocks?: ReadonlyMap<Domain, ShortTermBlockFact>;
};
