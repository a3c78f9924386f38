/**
 * Marks: what later filters and later passes are told about a message, and what a stranger may not have told them.
 * `X-Postern-*` fields and Authentication-Results of our name are taken out of all that an untrusted client hands
 * over; X-Spam-Flag only for an allowed IP that did not come through a gateway. Mail that comes back from a content
 * filter, and local mail, keep theirs.
 * Source: RFC 8601 §5 (removing forged fields), §2.2 ("none").
 */
import { authservIdOf, permanent } from '../../mail/index.ts';
import type { HostPolicy } from '../../snapshot/index.ts';
import type { Reason, RecipientDecision, Verdict } from '../decision.ts';
import type { HeaderField } from '../facts.ts';
import { reason } from './finding.ts';
import { isRouteField } from './routing.ts';

/** The field that tells later filters not to judge a message. */
const BYPASS_FIELD = 'X-Postern-Spam-Filter';
const RESULTS_FIELD = 'Authentication-Results';
const RESULTS_NAME = RESULTS_FIELD.toLowerCase();

/**
 * How many fields are taken out of one message. Postfix looks for each from the top of its queue file, so that the work
 * grows with the square: 10,000 took 3 s, and a message of 10 MB holds 700,000. Source: Postfix cleanup_milter.c.
 */
const MAX_REMOVED = 500;
const TOO_MANY = permanent('550', '5.6.0', 'Too many header fields that only the receiving mail system may add');

/** The facts of one message that marks depend on. `own` are the decisions about recipients in own domains. */
export type MarksInput = {
  readonly host: HostPolicy;
  readonly headers: readonly HeaderField[];
  /** Whether the client is untrusted for any own domain with a recipient, or in general. */
  readonly isStranger: boolean;
  /** Whether it is untrusted for the domain of the From field. */
  readonly isStrangerToAuthor: boolean;
  readonly isReinjection: boolean;
  readonly isOnlyObserved: boolean;
  readonly own: readonly RecipientDecision[];
  /** The values of X-Postern-Route that our own services write: they stay, so that a loop is seen on every pass. */
  readonly routeMarks: ReadonlySet<string>;
};

/** What to take out (positions) and put in (topmost first). A refusal where it is too much to take out. */
export type Marks = {
  readonly verdict: Verdict;
  readonly removed: readonly number[];
  readonly added: readonly HeaderField[];
  readonly bypassSpamFilter: boolean;
  readonly reasons: readonly Reason[];
};

const PASS: Verdict = { kind: 'pass' };

/** A mark that only we can have made. */
const isRouteMark = (field: HeaderField, marks: ReadonlySet<string>): boolean =>
  isRouteField(field) && marks.has(field.value.trim());

/** Decides the marks of one message. */
export function decideMarks(input: MarksInput): Marks {
  const nothing = (text: string): Marks => ({
    verdict: PASS,
    removed: [],
    added: [],
    bypassSpamFilter: false,
    reasons: [reason('marks', null, text)],
  });
  if (input.isReinjection) return nothing('untouched: the mail comes back from a content filter');
  if (input.isOnlyObserved) return nothing('untouched: every own domain concerned is only observed');
  const { own, host, isStranger } = input;
  // What says that a message was found genuine, or came from outside, is believed when it is handed in again: whoever
  // may not speak for its author may not have said it, even where it may speak for the recipients.
  const isOutside = isStranger || input.isStrangerToAuthor;
  // The field speaks for the whole message, so every own domain concerned has to allow the client.
  const bypassSpamFilter = own.length > 0 && own.every((decision) => decision.bypassSpamFilter);
  const isAllowedDirectly = bypassSpamFilter && own.every((decision) => !decision.throughGateway);
  const removed = input.headers.flatMap((field, index) => {
    const name = field.name.toLowerCase();
    const isForged =
      (isStranger && name.startsWith('x-postern-') && !isRouteMark(field, input.routeMarks)) ||
      (isOutside && name === RESULTS_NAME && authservIdOf(field.value) === host.authservId);
    return isForged || (isAllowedDirectly && name === 'x-spam-flag') ? [index] : [];
  });
  const added: HeaderField[] = [];
  // Says to a later pass that the message came from outside, so that it is not signed as if it were ours.
  if (isOutside) added.push({ name: RESULTS_FIELD, value: `${host.authservId}; none` });
  const [first] = own;
  if (bypassSpamFilter && first !== undefined)
    added.push({
      name: BYPASS_FIELD,
      value: `bypass; rule=${first.decisive.rule === 'ip-allow' ? 'ip-allow' : 'gateway'}`,
    });
  const text = `${removed.length} fields taken out, ${added.length} put in: ${isOutside ? 'an untrusted client' : 'a trusted client'}`;
  if (removed.length > MAX_REMOVED) {
    const why = `refused: ${removed.length} fields to take out, at most ${MAX_REMOVED} in one message`;
    return { ...nothing(why), verdict: { kind: 'reject', reply: TOO_MANY } };
  }
  return { verdict: PASS, removed, added, bypassSpamFilter, reasons: [reason('marks', null, text)] };
}
