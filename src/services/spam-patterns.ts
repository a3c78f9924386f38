/**
 * Whether the spam patterns of gateways match the header lines of a message. Looked for only in mail that came through
 * the gateway, on unfolded lines, and in so much text that no message costs more than another: what is beyond is neither
 * unfolded nor copied.
 * Source: RFC 5322 §2.2.3 (unfolding), RFC 6532 §3.2 (UTF-8).
 */
import { gatewaysBehind, type HeaderField, type MessageTransaction, type SpamHit } from '../decide/index.ts';
import type { Domain } from '../mail/index.ts';
import { LIMITS } from '../settings/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import type { PatternSearch } from './ports.ts';

/** Stands where a line was cut, so that `$` does not take the cut for its end. No text holds it (a noncharacter). */
const CUT = '\uffff';

/** Looks for spam patterns. */
export type SpamPatterns = {
  /** What was found, by own domain; null at once where there is nothing to look for. */
  look(
    snapshot: Snapshot,
    t: Omit<MessageTransaction, 'at' | 'spamHits'>,
    at: number,
  ): Promise<ReadonlyMap<Domain, SpamHit>> | null;
};

type Visible = { readonly lines: readonly string[]; readonly isCut: boolean };

/** Looks with `search`; most messages are told apart by what a matching line begins with, without it. */
export function createSpamPatterns(search: PatternSearch): SpamPatterns {
  return {
    look(snapshot, t, at) {
      const wanted = gatewaysBehind(snapshot, { ...t, at }).flatMap(({ domain, gateway }) =>
        gateway.spamPattern === null ? [] : [{ domain, ...gateway.spamPattern }],
      );
      if (wanted.length === 0) return null;
      const visible = visibleLines(t.headers);
      // Own domains behind one gateway often have the same pattern.
      const hits = new Map<string, Promise<SpamHit>>();
      for (const { pattern, prefix } of wanted) {
        if (!hits.has(pattern)) hits.set(pattern, lookFor(search, pattern, prefix, visible));
      }
      return Promise.all(
        wanted.map(async ({ domain, pattern }): Promise<[Domain, SpamHit]> => [
          domain,
          await (hits.get(pattern) as Promise<SpamHit>),
        ]),
      ).then((found) => new Map(found));
    },
  };
}

async function lookFor(
  search: PatternSearch,
  pattern: string,
  prefix: string | null,
  { lines, isCut }: Visible,
): Promise<SpamHit> {
  const candidates = prefix === null ? lines : lines.filter((line) => mayBeginWith(line, prefix));
  const found = candidates.length === 0 ? null : await search.search(pattern, candidates);
  if (found === 'gave-up') return { kind: 'unknown' };
  const line = found === null ? undefined : candidates[found];
  return line === undefined ? { kind: 'none', isCut } : { kind: 'match', field: line.slice(0, line.indexOf(':')) };
}

/**
 * Whether a pattern that wants `prefix` may match: the same letters without case. What is not ASCII may stand for a
 * letter, and is left to the engine.
 */
function mayBeginWith(line: string, prefix: string): boolean {
  for (let at = 0; at < prefix.length; at += 1) {
    const code = line.charCodeAt(at);
    if (code > 0x7f) return true;
    const isCapital = code >= 0x41 && code <= 0x5a;
    if ((isCapital ? code + 0x20 : code) !== prefix.charCodeAt(at)) return false;
  }
  return true;
}

/** Lines as patterns see them, `Name: value`, up to the limit; the rest is not looked at. */
function visibleLines(headers: readonly HeaderField[]): Visible {
  const lines: string[] = [];
  let hasCutLine = false;
  let left: number = LIMITS.patternTextOctets;
  let isCut = false;
  for (const { name, value } of headers) {
    left -= name.length + 2;
    isCut = left < value.length;
    if (left < 0) break;
    const seen = isCut ? withoutBrokenEnd(value.slice(0, left)) : value;
    lines.push(`${name}: ${trimmed(seen)}`.replaceAll('\n', ''));
    left -= value.length;
    hasCutLine = isCut;
    if (isCut) break;
  }
  const texts = asText(lines);
  return { lines: hasCutLine ? [...texts.slice(0, -1), `${texts.at(-1) as string}${CUT}`] : texts, isCut };
}

/** Without the first octets of a character of several, the last of which may have been cut off. */
const withoutBrokenEnd = (latin1: string): string => latin1.replace(/[\xc0-\xff][\x80-\xbf]{0,2}$/, '');

/** Without the white space around it. Not by a pattern, which would try every run of spaces to its end. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isWhiteSpace(text, from)) from += 1;
  while (from < to && isWhiteSpace(text, to - 1)) to -= 1;
  return text.slice(from, to);
}

const isWhiteSpace = (text: string, at: number): boolean => ' \t\n'.includes(text.charAt(at));

/** Octets given as latin1, each line read as UTF-8 where it is; a line in another character set is seen as its octets. */
function asText(lines: readonly string[]): readonly string[] {
  const latin1 = lines.join('\n');
  // eslint-disable-next-line no-control-regex -- the range is ASCII itself
  if (/^[\x00-\x7f]*$/.test(latin1)) return lines;
  const octets = Buffer.from(latin1, 'latin1');
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(octets).split('\n');
  return lines.map((line, at) => {
    const text = decoded[at] as string;
    // A replacement character that the line does not hold itself stands for octets that are no UTF-8.
    const isUtf8 = !text.includes('\ufffd') || countOf('\ufffd', text) === countOf('\xef\xbf\xbd', line);
    return isUtf8 ? text : line;
  });
}

const countOf = (part: string, text: string): number => text.split(part).length - 1;
