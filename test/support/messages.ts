/** Messages for tests, in texts: who hands one over, to whom, with which header lines and which keys. */
import type { HeaderField, MessageRecipient, MessageTransaction } from '../../src/decide/index.ts';
import { authorOf } from '../../src/services/index.ts';
import { withSigningKeys, type Snapshot } from '../../src/snapshot/index.ts';
import { aSnapshot, aTransaction, type Around, type TransactionTexts } from './builders.ts';

/** A recipient that Postfix has resolved: to which address, by which service, at which next hop. */
export type ResolvedTexts = { readonly to: string; readonly as?: string; readonly by?: string; readonly at?: string };

/** In place of one recipient any number; header lines are `Name: value`. */
export type MessageTexts = Omit<TransactionTexts, 'recipient'> & {
  readonly recipients?: readonly (string | ResolvedTexts)[];
  readonly headers?: readonly string[];
};

/** A field as the milter door has it: all after the colon. */
export function aField(line: string): HeaderField {
  const colon = line.indexOf(':');
  return { name: line.slice(0, colon), value: line.slice(colon + 1) };
}

/** A recipient in texts; `resolved` only where something is said of it. */
export function aRecipient(texts: string | ResolvedTexts): MessageRecipient {
  const addressOf = (recipient: string): MessageRecipient['address'] => aTransaction({ recipient }).recipient;
  if (typeof texts === 'string') return { address: addressOf(texts), resolved: null };
  const { to, as = to, by = 'smtp', at = '' } = texts;
  return { address: addressOf(to), resolved: { address: addressOf(as), mailer: by, host: at } };
}

/** A stranger's message to bob@example.com, without any field, unless said otherwise. */
export function aMessage(texts: MessageTexts = {}): MessageTransaction {
  const { recipients = ['bob@example.com'], headers = [], ...envelope } = texts;
  const { client, saslUsername, daemonName, encrypted, sender, at } = aTransaction(envelope);
  const fields = headers.map(aField);
  return {
    ...{ client, saslUsername, daemonName, encrypted, sender, at },
    recipients: recipients.map(aRecipient),
    headers: fields,
    author: authorOf(fields),
  };
}

/** The snapshot of a document with active keys, by domain: selectors, RSA unless they begin with `ed`. */
export function aKeyedSnapshot(
  document: unknown,
  keys: Readonly<Record<string, readonly string[]>> = {},
  around: Around = {},
): Snapshot {
  const active = Object.entries(keys).flatMap(([domain, selectors]) =>
    selectors.map((selector) => {
      const algorithm = selector.startsWith('ed') ? ('ed25519-sha256' as const) : ('rsa-sha256' as const);
      return { domain, selector, algorithm };
    }),
  );
  return withSigningKeys(aSnapshot(document, around), active);
}
