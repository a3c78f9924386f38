/**
 * What the milter door answers at the end of a message that was decided: one verdict, and all modifications with it.
 * Source: libmilter, smfi_eom; RFC 5321 §4.2.
 */
import { renderMilterChanges, renderRouteChanges } from '../../answers/index.ts';
import type { HeaderField, MessageDecision } from '../../decide/index.ts';
import { overlongHeaderFields } from '../../dkim/index.ts';
import type { PermanentReply, TransientReply } from '../../mail/index.ts';
import type { Signer } from '../../services/index.ts';
import type { Snapshot } from '../../snapshot/index.ts';
import type { Modification, Verdict } from '../../wire/milter/index.ts';
import type { MessageBody } from './body.ts';
import type { MilterTransaction } from './transaction.ts';

/** A message at work: what was decided at the end of its headers, and its body. */
export type DecidedMessage = {
  readonly snapshot: Snapshot;
  readonly decision: MessageDecision;
  readonly body: MessageBody;
};

/** The end of a message as the protocol says it. */
export type MessageAnswer = { readonly verdict: Verdict; readonly modifications?: readonly Modification[] };

const CONTINUE: Verdict = { kind: 'continue' };

const refusal = ({ code, status, text }: PermanentReply | TransientReply): Verdict => ({
  kind: 'reply',
  code: Number(code),
  enhanced: status,
  lines: [text],
});

/** The answer. A message that is held is changed and signed as one that is taken: it goes out as it lies there. */
export async function answerTo(
  message: DecidedMessage,
  transaction: MilterTransaction,
  signer: Signer,
): Promise<MessageAnswer> {
  const { verdict } = message.decision;
  switch (verdict.kind) {
    case 'reject':
    case 'defer':
      return { verdict: refusal(verdict.reply) };
    case 'discard':
      return { verdict: { kind: 'discard' } };
    case 'quarantine': {
      const { reason } = verdict;
      const changes = await changesOf(message, transaction, signer);
      return { verdict: CONTINUE, modifications: [...changes, { kind: 'quarantine', reason }] };
    }
    case 'pass':
      return { verdict: CONTINUE, modifications: await changesOf(message, transaction, signer) };
  }
}

async function changesOf(
  { snapshot, decision, body }: DecidedMessage,
  { headers, recipients }: MilterTransaction,
  signer: Signer,
): Promise<readonly Modification[]> {
  const gone = new Set(decision.removed);
  const kept = gone.size === 0 ? headers : headers.filter((_, position) => !gone.has(position));
  const replaced = body.end();
  const { hasher } = body;
  const signatures = hasher === null ? [] : await signer.sign(decision.signing.signatures, kept, hasher.digest());
  return [
    ...renderMilterChanges(headers, decision.removed, decision.added, signatures),
    ...renderRouteChanges(snapshot, decision.routing, recipients),
    ...(replaced === null ? [] : [{ kind: 'replaceBody', body: replaced } as const]),
  ];
}

/** What of a signed message has a line that smtp(8) breaks: names of header fields, or `body`. */
export function overlongParts({ body: { hasher } }: DecidedMessage, headers: readonly HeaderField[]): string[] {
  if (hasher === null) return [];
  const fields = overlongHeaderFields(headers).map(({ name }) => name);
  return hasher.overlongLineOctets > 0 ? [...fields, 'body'] : fields;
}
