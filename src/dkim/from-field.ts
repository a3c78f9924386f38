/**
 * Whose mail a message claims to be: the one domain of its From field's mailboxes. Reads display names, quoted strings,
 * comments, groups and the obsolete forms, so that no address inside one of them is taken for the author.
 * Never guesses: what the grammar does not have has no author domain.
 * Source: RFC 5322 §3.4, §3.6.2, §4.4; RFC 6854 (groups in From); RFC 6532 (UTF-8); RFC 6376 §8.15 (two From fields).
 */
import { Buffer } from 'node:buffer';
import { parseDomain, type Domain } from '../mail/index.ts';
import { comparableName, type HeaderField } from './header-canonicalizer.ts';

/** The author domain, or why there is none. `detail` is a sentence for the operator. */
export type AuthorDomain =
  | { readonly kind: 'domain'; readonly domain: Domain }
  | {
      readonly kind: 'none';
      /** `2 From` stands for two or more fields. */
      readonly reason: 'no From' | '2 From' | 'several domains' | 'unparsable';
      readonly detail: string;
    };

type Token = { readonly kind: 'atom' | 'quoted' | 'literal' | 'special'; readonly text: string };

// Atoms as RFC 5322 §3.2.3 and RFC 6532 §3.2 have them, a little wider: any printable character that is no special.
// eslint-disable-next-line no-control-regex -- control characters are what it must not match
const ATOM = /[^\x00-\x20()<>[\]:;@\\,."\x7f]+/y;
const QUOTED = /"(?:[^"\\]|\\[^])*"/y;
const LITERAL = /\[[^[\]\\]*\]/y;
const WHITE_SPACE = /[\t\r\n ]+/y;

/** Reads the author domain of a message from all its header fields. */
export function authorDomain(headers: readonly HeaderField[]): AuthorDomain {
  const from = headers.filter(({ name }) => comparableName(name) === 'from');
  const [field] = from;
  if (field === undefined) return none('no From', 'The message has no From field.');
  if (from.length > 1) return none('2 From', `The message has ${from.length} From fields; exactly one is allowed.`);
  const tokens = tokenize(Buffer.from(field.value, 'latin1').toString('utf8'));
  const texts = tokens === null ? null : new MailboxList(tokens).domains();
  if (texts === null) return none('unparsable', 'The From field is not a list of mailboxes as RFC 5322 has it.');
  const domains = new Set<Domain>();
  for (const text of texts) {
    const domain = parseDomain(text);
    if (!domain.ok) return none('unparsable', `The From field has an address whose domain ${domain.error}.`);
    domains.add(domain.value);
  }
  const [domain] = domains;
  if (domain === undefined) return none('unparsable', 'The From field names no mailbox.');
  if (domains.size > 1) {
    return none('several domains', `The From field has authors in several domains: ${[...domains].join(', ')}.`);
  }
  return { kind: 'domain', domain };
}

function none(reason: (AuthorDomain & { kind: 'none' })['reason'], detail: string): AuthorDomain {
  return { kind: 'none', reason, detail };
}

/** Words and specials without comments and white space; null where a character fits nothing. */
function tokenize(text: string): readonly Token[] | null {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  while (at < text.length) {
    if (take(WHITE_SPACE) !== undefined) continue;
    const kind = ({ '(': 'comment', '"': 'quoted', '[': 'literal' } as const)[text.charAt(at)];
    if (kind === 'comment') {
      const end = endOfComment(text, at);
      if (end < 0) return null;
      at = end;
      continue;
    }
    const word = kind === undefined ? take(ATOM) : take(kind === 'quoted' ? QUOTED : LITERAL);
    if (word !== undefined) tokens.push({ kind: kind ?? 'atom', text: word });
    else if ('<>:;@,.'.includes(text.charAt(at))) tokens.push({ kind: 'special', text: text.charAt(at++) });
    else return null;
  }
  return tokens;
}

/** The place after the comment that begins at `from`, or -1 where it does not end. Comments nest. */
function endOfComment(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')' && --depth === 0) return at + 1;
  }
  return -1;
}

/** mailbox-list and group of RFC 5322 §3.4 and §4.4, over tokens. */
class MailboxList {
  readonly #tokens: readonly Token[];
  #at = 0;
  readonly #domains: string[] = [];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** The domains of all mailboxes as written, or null where the tokens are no such list. */
  domains(): readonly string[] | null {
    return this.#list(true) && this.#at === this.#tokens.length ? this.#domains : null;
  }

  #isNext(special: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === 'special' && token.text === special;
  }

  #take(special: string): boolean {
    const isNext = this.#isNext(special);
    if (isNext) this.#at += 1;
    return isNext;
  }

  /** Mailboxes, and where allowed groups, with commas between them. Empty members are an obsolete form. */
  #list(groups: boolean): boolean {
    do {
      const isEmpty = this.#at === this.#tokens.length || this.#isNext(',') || this.#isNext(';');
      if (!isEmpty && !this.#member(groups)) return false;
    } while (this.#take(','));
    return true;
  }

  #member(groups: boolean): boolean {
    const start = this.#at;
    this.#words();
    if (this.#take('<')) return this.#route() && this.#address() && this.#take('>');
    if (groups && this.#at > start && this.#take(':')) return this.#list(false) && this.#take(';');
    this.#at = start;
    return this.#address();
  }

  /** Steps over a display name: words, and dots as the obsolete form has them. */
  #words(): void {
    for (let token = this.#tokens[this.#at]; token !== undefined; token = this.#tokens[this.#at]) {
      if (token.kind !== 'atom' && token.kind !== 'quoted' && token.text !== '.') return;
      this.#at += 1;
    }
  }

  /** The obsolete source route, `@relay.example,@other.example:`. Absent is fine. */
  #route(): boolean {
    if (!this.#isNext('@')) return true;
    do {
      if (this.#take('@') && this.#domain() === null) return false;
    } while (this.#take(','));
    return this.#take(':');
  }

  #address(): boolean {
    if (!this.#dotted(['atom', 'quoted']) || !this.#take('@')) return false;
    const domain = this.#domain();
    if (domain === null) return false;
    this.#domains.push(domain);
    return true;
  }

  #domain(): string | null {
    const token = this.#tokens[this.#at];
    if (token?.kind === 'literal') {
      this.#at += 1;
      return token.text;
    }
    const start = this.#at;
    if (!this.#dotted(['atom'])) return null;
    return this.#tokens
      .slice(start, this.#at)
      .map(({ text }) => text)
      .join('');
  }

  /** Words of the given kinds with single dots between them. */
  #dotted(kinds: readonly Token['kind'][]): boolean {
    do {
      const token = this.#tokens[this.#at];
      if (token === undefined || !kinds.includes(token.kind)) return false;
      this.#at += 1;
    } while (this.#take('.'));
    return true;
  }
}
