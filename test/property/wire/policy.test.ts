import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PolicyDecoder, decodeXtext, encodeAction } from '../../../src/wire/policy/index.ts';
import { LocalProtocolError } from '../../../src/wire/protocol-error.ts';
import { cut, events } from './chunking.ts';

const LIMIT = 200;
const limits = { maxRequestBytes: LIMIT };
const lineEnd = fc.constantFrom('\n', '\n', '\r\n');

/** Requests as Postfix sends them, mixed with what only a broken peer sends. */
const line = fc.oneof(
  { weight: 4, arbitrary: fc.constant('request=smtpd_access_policy') },
  { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', '=', 'é', '\xff', ' ', '\r'), maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom('sender=a=b@a.example', 'sender=é', 'queue_id=', '', '\r') },
);
const broken = fc
  .array(fc.tuple(line, lineEnd), { maxLength: 30 })
  .map((lines) => Buffer.from(lines.map(([text, end]) => text + end).join(''), 'latin1'));
const wholesome = fc
  .array(
    fc.tuple(
      fc.array(fc.constantFrom('sender=a=b@a.example', 'helo_name=é', 'queue_id=', 'recipient=x@例え.example')),
      lineEnd,
    ),
    { maxLength: 5 },
  )
  .map((requests) =>
    Buffer.from(requests.map(([lines, end]) => ['request=smtpd_access_policy', ...lines, '', ''].join(end)).join('')),
  );
const noise = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
const stream = fc.oneof(
  wholesome,
  broken,
  noise,
  fc.tuple(wholesome, broken).map((parts) => Buffer.concat(parts)),
);

describe('PolicyDecoder', () => {
  it('POL-02 any chunking gives equal events, never throws and never keeps the limit', () => {
    fc.assert(
      fc.property(cut(stream), ({ stream: bytes, cuts }) => {
        expect(events(new PolicyDecoder(limits), bytes, cuts, LIMIT - 1)).toEqual(
          events(new PolicyDecoder(limits), bytes, [], LIMIT - 1),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('POL-03 decodes what was encoded, in order', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => !/[\n\r]/.test(value));
    const name = text.filter((value) => !value.includes('=') && value !== 'request');
    const request = fc.uniqueArray(fc.tuple(name, text), { selector: ([key]) => key, maxLength: 10 });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 4 }), (requests) => {
        const sent = requests.map((attributes) => [['request', 'smtpd_access_policy'], ...attributes]);
        const bytes = Buffer.from(
          sent.map((attributes) => `${attributes.map((pair) => `${pair.join('=')}\n`).join('')}\n`).join(''),
        );
        const got = new PolicyDecoder()
          .receive(bytes)
          .map((event) => (event.kind === 'request' ? [...event.request] : event));
        expect(got).toEqual(sent);
      }),
    );
  });

  it('POL-03 xtext: decoding undoes encoding, and text without escapes stays', () => {
    const encode = (text: string): string =>
      [...Buffer.from(text)]
        .map((octet) =>
          octet > 32 && octet < 127 && octet !== 0x2b && octet !== 0x3d
            ? String.fromCharCode(octet)
            : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`,
        )
        .join('');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(decodeXtext(encode(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => !/\+[0-9a-f]{2}/i.test(text)),
        (text) => {
          expect(decodeXtext(text)).toBe(text);
        },
      ),
    );
  });
});

describe('encodeAction', () => {
  const word = fc.constantFrom(
    'OK',
    'ok',
    'PERMIT',
    'permit_mynetworks',
    'DUNNO',
    'REJECT',
    'RELAY',
    '250',
    '550',
    '5.7.1',
    ',',
    '\n',
    'é',
  );
  const action = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(word, { maxLength: 4 }).map((words) => words.join(' ')),
  );

  it('POL-09, POL-12 whatever it is given: one line of ASCII that permits nothing, or LocalProtocolError', () => {
    fc.assert(
      fc.property(action, (text) => {
        let sent: string;
        try {
          sent = encodeAction(text).toString('latin1');
        } catch (error) {
          expect(error).toBeInstanceOf(LocalProtocolError);
          return;
        }
        expect(sent).toBe(`action=${text}\n\n`);
        expect(sent).toMatch(/^action=(?:[45]\d\d +[!-~][ -~]*|(?:DUNNO|REJECT)(?: [ -~]*)?)\n\n$/);
      }),
      { numRuns: 2000 },
    );
  });
});
