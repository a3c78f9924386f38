/**
 * What one Received field says of the hop that it records: who handed the message over, as the server that wrote the
 * field saw it, and which server that was. Reads in time linear in the length of the field.
 * Never believes a name or an address that the client chose (HELO, ident, login): where it cannot tell such a claim
 * from what the server saw, it says that the peer is not known. Never judges whether the field itself may be believed.
 * A server that writes the name unchecked lets a client make itself unknown, but not somebody else.
 * Source: RFC 5321 §4.4 (trace fields), RFC 5322 §3.2.2 (comments) and §3.6.7; the forms that the servers document
 * or write: Postfix smtpd, Exchange, Exim `received_header_text`, Sendmail `HReceived`, qmail received.c, Haraka,
 * OpenSMTPD, Momentum, CommuniGate Pro, Zmailer, amavis; compared with fields in public mail archives.
 */
import { compareIpAddresses, isLoopback, parseClientAddress, parseIpAddress, type IpAddress } from './ip-address.ts';

/** What a Received field says. */
export type ReceivedHop = {
  /** The host that handed the message over, as the writer saw it; null where it does not say, or not clearly. */
  readonly address: IpAddress | null;
  /** The server that wrote the field, as it names itself; null where it does not. Octets as latin1 text. */
  readonly by: string | null;
  /**
   * True where the message came to the writer from its own system: over loopback, by LMTP or a local program, or
   * (without a from clause) from a place that no border of a mail system lies before.
   */
  readonly isInternal: boolean;
};

/** `text` of a comment is what stands in its outermost parentheses, unfolded and without the comments within. */
type Token = { readonly text: string; readonly isComment: boolean };

/** The longest field that is read, in octets: no server writes a tenth of it, and other sessions wait while one is read. */
const MAX_FIELD_LENGTH = 16_384;

const UNREADABLE: ReceivedHop = { address: null, by: null, isInternal: false };

const SPACE = /[\t\n\r ]+/y;
const WORD = /[^\t\n\r ();"]+/y;

/** With these a system hands mail to itself, whoever the from clause names. Source: RFC 2033 §5; Exim, "with local". */
const LOCAL_PROTOCOL = /^(?:local(?:-[\w-]+)?|(?:utf8)?lmtps?a?|spamassassin)$/i;
/**
 * Without a from clause: not those of submission and web mail, before which anybody may be; SMTPS, which is none of the
 * registered names, is one of these (Zoho). PIPE: a content filter of CommuniGate Pro. Source: RFC 3848, RFC 6531 §4.3.
 */
const INNER_PROTOCOL = /^(?:local(?:-[\w-]+)?|(?:utf8)?lmtps?|smtp|esmtps?|utf8smtps?|qmqp|pipe)$/i;
/** Fields that a queue writes above that of its SMTP server. Source: qmail, qmail-queue.c; Haraka outbound. */
const OWN_QUEUE = /^(?:qmail \d+ invoked |Haraka outbound$)/;
/** Comments of the from clause that name a login, an envelope address, a certificate (the client's own words) or the encryption. */
const NO_PEER =
  /^(?:auth(?:enticated|:|id=)|client (?:cn|did) |envelope-|smtp-auth |user(?:=| authenticated )|using |\S+ authenticated user )/i;

/**
 * Reads the value of a Received field: octets as latin1 text, folded or not. Never throws. One above 16,384 octets, or
 * with parentheses or quotes that do not pair, tells nothing.
 */
export function readReceived(value: string): ReceivedHop {
  const tokens = value.length > MAX_FIELD_LENGTH ? null : tokensOf(value);
  if (tokens === null) return UNREADABLE;
  const hasFrom = isWord(tokens[0], 'from');
  // What follows "from" is what the client calls itself, even if that is "by".
  const search = hasFrom && tokens[1]?.isComment === false ? 2 : hasFrom ? 1 : 0;
  const byAt = tokens.findIndex((token, at) => at >= search && isWord(token, 'by'));
  // A second one shows that a claim holds the words of a whole field.
  if (byAt >= 0 && tokens.some((token, at) => at > byAt && isWord(token, 'by'))) return UNREADABLE;
  const clause = hasFrom ? tokens.slice(1, byAt < 0 ? tokens.length : byAt) : tokens.slice(0, Math.max(0, byAt));
  const rest = byAt < 0 ? [] : tokens.slice(byAt + 1);
  const by = wordAt(rest, 0)?.replace(/,$/, '') ?? null;
  if (!hasFrom) return { address: null, by, isInternal: isInnerWithoutFrom(tokens, clause, rest) };
  const address = peerOf(clause, hasComment(rest, 'Exim '));
  return { address, by, isInternal: address === null ? isInnerFrom(clause, rest) : isLoopback(address) };
}

/** What "with" names, or null. */
function protocolOf(rest: readonly Token[]): string | null {
  const withAt = rest.findIndex((token) => isWord(token, 'with'));
  return withAt < 0 ? null : (wordAt(rest, withAt + 1) ?? '');
}

/** Whether a from clause without an address tells of a handover inside the system of its writer. */
function isInnerFrom(clause: readonly Token[], rest: readonly Token[]): boolean {
  const protocol = protocolOf(rest);
  if (protocol !== null && LOCAL_PROTOCOL.test(protocol)) return true;
  // IIS, from a program on the same host.
  if (clause.map(({ text, isComment }) => (isComment ? '()' : text)).join(' ') === 'mail pickup service') {
    return protocol === 'Microsoft';
  }
  // OpenSMTPD, the same: the server writes the last comment.
  const last = clause.at(-1);
  return last?.isComment === true && /^\S+ \[local\]$/.test(last.text) && hasComment(rest, 'OpenSMTPD');
}

/** The same of a field without a from clause; `before` is what stands before "by". */
function isInnerWithoutFrom(tokens: readonly Token[], before: readonly Token[], rest: readonly Token[]): boolean {
  const first = tokens.find(({ isComment }) => !isComment);
  if (!isWord(first, 'by')) return tokens[0]?.isComment === true && OWN_QUEUE.test(tokens[0].text);
  // Some servers name the peer in a comment before "by".
  if (before.some(({ text }) => /[[\]]/.test(text) || readComment(text).seen.length > 0)) return false;
  const protocol = protocolOf(rest);
  return rest.length > 0 && (protocol === null || INNER_PROTOCOL.test(protocol));
}

const hasComment = (tokens: readonly Token[], start: string): boolean =>
  tokens.some(({ text, isComment }) => isComment && text.startsWith(start));

/** The peer that a from clause names; null where it names none, or several that may be meant. */
function peerOf(clause: readonly Token[], isExim: boolean): IpAddress | null {
  const comments = clause.filter(({ isComment }) => isComment).map(({ text }) => readComment(text));
  const words = clause.slice(1).filter(({ isComment }) => !isComment);
  const seen = [...comments.flatMap((comment) => comment.seen), ...words.flatMap(({ text }) => bracketed(text))];
  const literal = clause[0]?.isComment === false ? bracketed(clause[0].text, true) : [];
  // An address literal in the place of the name is a claim, unless the claim is told apart from it.
  if (literal.length > 0 && comments.some(({ hasClaim }) => hasClaim)) {
    return theOne([...literal, ...seen, ...comments.flatMap(({ claimed }) => claimed)]);
  }
  return theOne(seen.length === 0 && isExim ? literal : seen);
}

/** What stands in brackets: an address, or null for what is none and may yet be the peer. */
type Bracketed = IpAddress | null;

/** The address that all of them are, if it can be that of an SMTP client. */
function theOne([first, ...others]: readonly Bracketed[]): IpAddress | null {
  if (first === undefined || first === null) return null;
  if (others.some((each) => each === null || compareIpAddresses(first, each) !== 0)) return null;
  return isUnicast(first) ? first : null;
}

/** False for 0.0.0.0/8, 224.0.0.0/3, :: and ff00::/8. Source: RFC 6890 §2.2.2, RFC 4291 §2.4. */
function isUnicast(address: IpAddress): boolean {
  if (address.family === 4) return address.value >>> 24 !== 0 && address.value >>> 29 !== 7;
  return (address.w0 | address.w1 | address.w2 | address.w3) !== 0 && address.w0 >>> 24 !== 0xff;
}

/** What a comment of the from clause says. */
type PeerComment = {
  /** The peer as the server saw it. */
  readonly seen: readonly Bracketed[];
  /** Addresses that follow a claim, and may belong to it. */
  readonly claimed: readonly Bracketed[];
  /** Whether it names what the client called itself, so that what stands before the comment is no such claim. */
  readonly hasClaim: boolean;
};

/**
 * Reads `name [address]`, `[address]:port helo=name`, `HELO name`, `ident@address`, `address, HELO name`. An address
 * without brackets counts as the first word only, and not beside one in brackets: a host may be named like an address.
 */
function readComment(text: string): PeerComment {
  const words = text.split(' ').map((word) => word.replace(/,$/, ''));
  if (words[0] === undefined || NO_PEER.test(text)) return { seen: [], claimed: [], hasClaim: false };
  // Zmailer puts the greeting in quotes.
  const greeting = words.findIndex((word) => /^(?:"?(?:HELO|EHLO)"?$|(?:helo|ident|port)=)/i.test(word));
  const clean = greeting < 0 ? words : words.slice(0, greeting);
  // The word after HELO is the claim itself.
  const tainted = greeting < 0 ? [] : words.slice(greeting + (words[greeting]?.includes('=') === true ? 1 : 2));
  const inBrackets = clean.flatMap((word) => bracketed(word));
  const seen = inBrackets.length > 0 || clean.length === 0 ? inBrackets : bare(words[0]);
  return { seen, claimed: tainted.flatMap((word) => bracketed(word)), hasClaim: greeting >= 0 };
}

/** The longest text of an address, IPv4-mapped with tag and zone included, with room to spare. */
const MAX_ADDRESS_LENGTH = 80;
/** Exchange names link-local peers with their zone, which means nothing elsewhere. Source: RFC 4007 §11. */
const ZONED = /^(fe80:[\da-f:]*)%\w+$/i;
const IPV4_WITH_PORT = /^([\d.]+):\d{1,5}$/;

/**
 * `[address]`, also `name[address]`, `ident@[address]` and with a port behind or (Momentum) inside; alone: nothing
 * before the bracket. None in `name=[text]` and in `[ident]@name`, which a client may choose.
 */
function bracketed(word: string, isAlone = false): Bracketed[] {
  const close = word.lastIndexOf(']');
  const open = close < 0 ? word.indexOf('[') : word.lastIndexOf('[', close);
  if (open < 0 && close < 0) return [];
  const before = word.slice(0, open < 0 ? close : open);
  const behind = close < 0 ? '' : word.slice(close + 1);
  // Google, where a name cannot be looked up.
  if (word.startsWith('[UNAVAILABLE]')) return [];
  if (isAlone ? before !== '' : before.includes('=') || behind.includes('@')) return [];
  if (open < 0 || close - open > MAX_ADDRESS_LENGTH || !/^(?::\d{1,5})?$/.test(behind)) return [null];
  const inside = word
    .slice(open + 1, close)
    .replace(ZONED, '$1')
    .replace(IPV4_WITH_PORT, '$1');
  return [parseClientAddress(inside)];
}

/** `address`, also `ident@address` and IPv4 with a port behind. */
function bare(word: string): IpAddress[] {
  const text = word.slice(word.lastIndexOf('@') + 1);
  if (text.length > MAX_ADDRESS_LENGTH) return [];
  const address = parseIpAddress(text.replace(IPV4_WITH_PORT, '$1').replace(ZONED, '$1'));
  return address === null ? [] : [address];
}

const isWord = (token: Token | undefined, word: string): boolean =>
  token?.isComment === false && token.text.toLowerCase() === word;

const wordAt = (tokens: readonly Token[], at: number): string | undefined =>
  tokens[at]?.isComment === false ? tokens[at].text : undefined;

/** Words, quoted strings, ";" and comments; null where parentheses or quotes do not pair. */
function tokensOf(value: string): Token[] | null {
  const tokens: Token[] = [];
  for (let at = 0; at < value.length;) {
    const first = value.charAt(at);
    if (first === '(') {
      const comment = commentAt(value, at);
      if (comment === null) return null;
      tokens.push({ text: comment.text, isComment: true });
      at = comment.end;
      continue;
    }
    const end = first === ';' ? at + 1 : first === '"' ? endOfQuoted(value, at) : endOf(WORD, value, at);
    if (end > at) {
      tokens.push({ text: value.slice(at, end), isComment: false });
      at = end;
    } else {
      at = endOf(SPACE, value, at);
      if (at < 0) return null;
    }
  }
  return tokens;
}

const unfold = (text: string): string => text.replace(/[\t\n\r ]+/g, ' ').replace(/^ | $/g, '');

/** Where the pattern that begins at `from` ends, or -1. */
function endOf(pattern: RegExp, value: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(value) ? pattern.lastIndex : -1;
}

/** The place after the quoted string that begins at `from`, or -1 where it does not end. */
function endOfQuoted(value: string, from: number): number {
  for (let at = from + 1; at < value.length; at++) {
    const character = value.charAt(at);
    if (character === '\\') at++;
    else if (character === '"') return at + 1;
  }
  return -1;
}

/**
 * The comment that begins at `from`, or null where it does not end. A quoted local-part within, as in
 * `(envelope-from <"a("@example.com>)`, is stepped over: servers do not escape it.
 */
function commentAt(value: string, from: number): { readonly text: string; readonly end: number } | null {
  const parts: string[] = [];
  let depth = 0;
  let start = from + 1;
  for (let at = from; at < value.length; at++) {
    const character = value.charAt(at);
    if (character === '\\') at++;
    else if (character === '"' && value.charAt(at - 1) === '<') {
      const end = endOfQuoted(value, at);
      if (end < 0) return null;
      at = end - 1;
    } else if (character === '(' && ++depth === 2) {
      parts.push(value.slice(start, at));
    } else if (character === ')') {
      depth--;
      if (depth === 0) return { text: unfold([...parts, value.slice(start, at)].join(' ')), end: at + 1 };
      if (depth === 1) start = at + 1;
    }
  }
  return null;
}
