/** Whose mail a message is by its From field, in the words of the decisions. Source: RFC 5322 §3.6.2. */
import type { Author, HeaderField } from '../decide/index.ts';
import { authorDomain } from '../dkim/index.ts';

/** The author domain, or why there is none to sign for. */
export function authorOf(headers: readonly HeaderField[]): Author {
  const author = authorDomain(headers);
  return author.kind === 'domain' ? { domain: author.domain } : { domain: null, reason: author.reason };
}
