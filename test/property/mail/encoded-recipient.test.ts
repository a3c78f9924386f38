import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecipient, decodeRules, encodeRecipient, isEncodable, xtext } from '../../../src/mail/index.ts';
import { decodeXtext } from '../../../src/wire/policy/xtext.ts';

const INTERNAL = 'route.postern.internal';
const label = fc.stringMatching(/^r[1-9][0-9]{0,3}-[0-9a-f]{8}$/);
const atom = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~äé漢-]{1,8}$/u);
const dotString = fc.array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join('.'));
const inQuotes = fc.oneof(fc.stringMatching(/^[ !#-[\]-~ä]$/u), fc.stringMatching(/^\\[ -~]$/));
const quotedString = fc.array(inQuotes, { minLength: 1, maxLength: 12 }).map((parts) => `"${parts.join('')}"`);
const name = fc.stringMatching(/^[A-Za-z0-9ü](?:[A-Za-z0-9ü.-]{0,20}[A-Za-z0-9ü])?$/u);
const literal = fc.constantFrom('[192.0.2.1]', '[IPv6:2001:db8::1]');
/** RFC 5321 Mailbox, with UTF-8 as in RFC 6531. */
const mailbox = fc.record({ localPart: fc.oneof(dotString, quotedString), domain: fc.oneof(name, literal) });

/** The way back, written another way: by searching, not by patterns. */
function takenApart(text: string, end: string): string | null {
  if (!text.toLowerCase().endsWith(end)) return null;
  const local = text.slice(0, -end.length);
  const isQuoted = local.length > 1 && local.startsWith('"') && local.endsWith('"');
  const inner = isQuoted ? local.slice(1, -1) : local;
  const at = inner.lastIndexOf('=');
  const [localPart, domain] = [inner.slice(0, at), inner.slice(at + 1)];
  if (at < 1 || domain === '' || /["@]/.test(domain)) return null;
  return `${isQuoted ? `"${localPart}"` : localPart}@${domain}`;
}

describe('encoded recipients', () => {
  it('every mailbox of RFC 5321 goes there and comes back', () => {
    fc.assert(
      fc.property(mailbox, label, (address, to) => {
        const { localPart, domain } = address;
        const isInQuotes = localPart.startsWith('"') || domain.startsWith('[');
        const quoted = isInQuotes && !localPart.startsWith('"') ? `"${localPart}"` : localPart;
        const encoded = encodeRecipient(address, to, INTERNAL);
        expect(decodeRecipient(encoded, INTERNAL)).toEqual({ label: to, address: `${quoted}@${domain}` });
        expect(decodeRecipient(encoded, 'other.internal')).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it('whatever can be encoded comes back with its domain, and as the same octets without quotes', () => {
    const part = fc.constantFrom('a', '"', '\\', ' ', '=', '@', '.', '"a b"', String.raw`\"`, '[', '(', 'ä', '\n', '+');
    const text = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''));
    const bare = (localPart: string): string => localPart.replaceAll(/\\(.)|"/g, '$1');
    let encodable = 0;
    fc.assert(
      fc.property(text, fc.oneof(text, name), label, (localPart, domain, to) => {
        if (!isEncodable({ localPart, domain })) return;
        encodable += 1;
        const address = decodeRecipient(encodeRecipient({ localPart, domain }, to, INTERNAL), INTERNAL)?.address ?? '';
        expect(address.endsWith(`@${domain}`)).toBe(true);
        expect(bare(address.slice(0, -domain.length - 1))).toBe(bare(localPart));
      }),
      { numRuns: 5_000 },
    );
    expect(encodable).toBeGreaterThan(100);
  });

  it('any text: the lines of the table, decodeRecipient and a search agree', () => {
    const piece = fc.constantFrom(
      'a',
      '"',
      '=',
      '@',
      '.',
      ' ',
      'K',
      '\u212a',
      '$1',
      '@r7-0a1b2c3d.route.postern.internal',
    );
    const end = '@r7-0a1b2c3d.route.postern.internal';
    const rules = decodeRules('r7-0a1b2c3d', INTERNAL);
    let decoded = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), fc.boolean(), (pieces, hasEnd) => {
        const text = pieces.join('') + (hasEnd ? end.toUpperCase() : '');
        const rule = rules.find(({ key }) => new RegExp(key, 'i').test(text));
        const byRules = rule === undefined ? null : text.replace(new RegExp(rule.key, 'i'), rule.value);
        expect(byRules).toBe(takenApart(text, end));
        expect(decodeRecipient(text, INTERNAL)).toEqual(
          byRules === null ? null : { label: end.slice(1, 12), address: byRules },
        );
        if (byRules !== null) decoded += 1;
      }),
      { numRuns: 5_000 },
    );
    expect(decoded).toBeGreaterThan(100);
  });

  it('xtext decodes back, and is printable ASCII without "="', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(xtext(text)).toMatch(/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/);
        expect(decodeXtext(xtext(text))).toBe(text);
      }),
    );
  });
});
