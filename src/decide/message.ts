/**
 * What is done to one whole message: marks taken out and put in, and who signs it. Known at the end of the headers;
 * the bytes are hashed and signed elsewhere.
 * Source: RFC 5321 §3.3, RFC 6376 §5.1 (authority to sign), RFC 8601 §5 (forged fields).
 */
import type { DomainPolicy, Snapshot } from '../snapshot/index.ts';
import { decideRecipient, trustOf } from './decide.ts';
import type { Reason, RecipientDecision, Verdict } from './decision.ts';
import type { MessageTransaction, HeaderField } from './facts.ts';
import { decideMarks } from './rules/marks.ts';
import { decideSigning, type Signing } from './rules/dkim-sign.ts';

/** The decision about one message. */
export type MessageDecision = {
  /** Where it is no pass, nothing is changed or signed. */
  readonly verdict: Verdict;
  /** Fields to take out, by their position in `headers`. */
  readonly removed: readonly number[];
  /** Fields to put on top, the topmost first; values without leading space. */
  readonly added: readonly HeaderField[];
  readonly signing: Signing;
  readonly bypassSpamFilter: boolean;
  readonly reasons: readonly Reason[];
};

/** Decides about a message. Its recipients were decided at RCPT; here they say whose rules the marks follow. */
export function decideMessage(snapshot: Snapshot, t: MessageTransaction): MessageDecision {
  const { recipients, headers, author, ...facts } = t;
  const decided = recipients.map((recipient): RecipientDecision =>
    decideRecipient(snapshot, { ...facts, stage: 'message', recipient }),
  );
  const policies = decided.flatMap(({ domain }): DomainPolicy[] => {
    const policy = domain === null ? undefined : snapshot.domains.get(domain);
    return policy === undefined ? [] : [policy];
  });
  const authorPolicy = author.domain === null ? null : (snapshot.domains.get(author.domain) ?? null);
  const trust = trustOf(snapshot, authorPolicy, facts);
  const concerned = authorPolicy === null ? policies : [...policies, authorPolicy];
  const marks = decideMarks({
    host: snapshot.host,
    headers,
    isStranger: [null, ...policies].some((scope) => !trustOf(snapshot, scope, facts).trusted),
    isStrangerToAuthor: !trust.trusted,
    isReinjection: facts.daemonName !== null && snapshot.host.reinjectionServices.includes(facts.daemonName),
    isOnlyObserved: concerned.length > 0 && concerned.every(({ enforcement }) => enforcement === 'observe'),
    own: decided.filter(({ domain }) => domain !== null),
  });
  const signing = decideSigning({
    author,
    policy: authorPolicy,
    trust,
    headers,
    authservId: snapshot.host.authservId,
    provider: snapshot.providerSigning,
  });
  return {
    verdict: marks.verdict,
    removed: marks.removed,
    added: marks.added,
    signing,
    bypassSpamFilter: marks.bypassSpamFilter,
    reasons: [...marks.reasons, signing.reason],
  };
}
