import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBounceText } from '../../../src/answers/index.ts';
import { decodeRecipient, encodeRecipient } from '../../../src/mail/index.ts';
import { aRoutedSnapshot, knownRoute, withDomain } from '../../support/builders.ts';

const INTERNAL = 'route.postern.internal';
const ROUTES = { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30' } };
const snapshot = aRoutedSnapshot(withDomain({}, { routes: ROUTES }));
const labels = ['archive', 'dlp'].map((name) => knownRoute(snapshot, name).label);

const atom = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~äé漢-]{1,8}$/u);
const dotString = fc.array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join('.'));
const inQuotes = fc.oneof(fc.stringMatching(/^[ !#-[\]-~ä]$/u), fc.stringMatching(/^\\[ -~]$/));
const quotedString = fc.array(inQuotes, { minLength: 1, maxLength: 12 }).map((parts) => `"${parts.join('')}"`);
const name = fc.stringMatching(/^[A-Za-z0-9ü](?:[A-Za-z0-9ü.-]{0,20}[A-Za-z0-9ü])?$/u);
const literal = fc.constantFrom('[192.0.2.1]', '[IPv6:2001:db8::1]');
const mailbox = fc.record({ localPart: fc.oneof(dotString, quotedString), domain: fc.oneof(name, literal) });
const encoded = fc
  .tuple(mailbox, fc.constantFrom(...labels))
  .map(([address, label]) => encodeRecipient(address, label, INTERNAL));

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString();
/** What a local-part says, whatever its quotes. */
const bare = (address: string): string => {
  const at = address.lastIndexOf('@');
  return `${address.slice(0, at).replaceAll(/\\(.)|"/g, '$1')}${address.slice(at)}`;
};

describe('the text of bounces', () => {
  it('every encoded recipient becomes the address that smtp(8) would make of it, wherever it stands', () => {
    // Nothing of a neighbour may be taken for a part of the address, as in running text.
    const around = fc.stringMatching(/^[ -~äß\r\n]{0,30}$/u).map((text) => text.replaceAll(/[@"\\]/g, ' '));
    fc.assert(
      fc.property(around, encoded, around, (before, address, after) => {
        const told = utf8(decodeBounceText(latin1(`${before}<${address}>${after}`), snapshot) ?? '');
        expect(told.startsWith(`${before}<`)).toBe(true);
        expect(told.endsWith(`>${after}`)).toBe(true);
        const found = told.slice(before.length + 1, told.length - after.length - 1);
        expect(bare(found)).toBe(bare(decodeRecipient(address, INTERNAL)?.address ?? ''));
      }),
      { numRuns: 2_000 },
    );
  });

  it('nothing else changes', () => {
    const piece = fc.oneof(
      fc.constantFrom('=', '@', '"', '+3D', '[', ']', '\\', '<', '>', ' ', '\r\n', '.', 'a', '\xfc', '\0'),
      fc.constantFrom(...labels.map((label) => `@${label}.${INTERNAL}`)),
      fc.constantFrom(`=a.test@r9-00000000.${INTERNAL}`, `.${INTERNAL}`),
      encoded.map(latin1),
    );
    let changed = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join('');
        const told = decodeBounceText(text, snapshot);
        if (told === null) return;
        changed += 1;
        expect(told.length).toBeLessThan(text.length);
        // What was taken out is quotes, labels and the internal domain: the rest stands as it stood, in its order.
        const rest = (each: string): string =>
          labels
            .reduce((left, label) => left.replaceAll(new RegExp(`@${label}\\.${INTERNAL}`, 'gi'), ''), each)
            .replaceAll(/\+3D|[=@"]/gi, '');
        expect(rest(told)).toBe(rest(text));
      }),
      { numRuns: 5_000 },
    );
    expect(changed).toBeGreaterThan(500);
  });
});
