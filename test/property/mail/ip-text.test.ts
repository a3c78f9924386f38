import fc from 'fast-check';
import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { formatIpAddress, parseClientAddress, parseIpAddress } from '../../../src/mail/ip-address.ts';
import { parseIpListFile, parseIpListInput } from '../../../src/mail/ip-list-input.ts';
import { cidrsOfRange, ipRangeOf, ipRangeSize, parseIpRange } from '../../../src/mail/ip-range.ts';
import { compareIpAddresses } from '../../../src/mail/ip-address.ts';

const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseIpAddress(text)!);
/** Texts made of what addresses are made of, so that many come close to one. */
const dirt = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '.',
        ':',
        '::',
        '-',
        ' - ',
        '/',
        '*',
        ',',
        ';',
        ' ',
        '\n',
        '\r\n',
        '[',
        ']',
        '%',
        '#',
        '，',
        '–',
        '\u00a0',
        '0x',
        '0',
      ),
      fc.nat(300).map(String),
      fc.ipV4(),
      fc.ipV6(),
      fc.stringMatching(/^[0-9a-f.:]{1,6}$/),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

describe('text of addresses and ranges', () => {
  it('parse of format is the identity on addresses', () => {
    fc.assert(
      fc.property(address, (given) => {
        expect(parseIpAddress(formatIpAddress(given))).toEqual(given);
      }),
      { numRuns: 2000 },
    );
  });

  it('IP-04 reads and writes addresses as the URL standard does, but for IPv4-mapped ones', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const parsed = parseIpAddress(text)!;
        const { hostname } = new URL(text.includes(':') ? `http://[${text}]/` : `http://${text}/`);
        const mapped = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname);
        if (mapped !== null) {
          const value = parseInt(mapped[1]!, 16) * 65_536 + parseInt(mapped[2]!, 16);
          expect(parsed).toEqual({ family: 4, value });
        } else expect(text.includes(':') ? `[${formatIpAddress(parsed)}]` : formatIpAddress(parsed)).toBe(hostname);
      }),
      { numRuns: 3000 },
    );
  });

  it('IP-01 takes exactly the texts that inet_pton takes, without zones', () => {
    fc.assert(
      fc.property(dirt, (text) => {
        expect(parseIpAddress(text) !== null).toBe(isIP(text) !== 0 && !text.includes('%'));
      }),
      { numRuns: 20_000 },
    );
  });

  it('parse of format is the identity on ranges', () => {
    fc.assert(
      fc.property(address, address, (a, b) => {
        fc.pre(a.family === b.family);
        const range = compareIpAddresses(a, b) <= 0 ? ipRangeOf(a, b) : ipRangeOf(b, a);
        expect(parseIpRange(range.text)).toEqual({ ok: true, value: range });
      }),
    );
  });

  it('IP-03 a network of any prefix reads back as itself', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (text, prefix) => {
        const base = parseIpAddress(text)!;
        const bits = base.family === 4 ? 32 : 128;
        fc.pre(prefix <= bits);
        const refused = parseIpRange(`${formatIpAddress(base)}/${prefix}`);
        const offered = refused.ok ? refused.value.text : / write (\S+) for the whole/.exec(refused.error.message)![1]!;
        const network = parseIpRange(offered);
        if (!network.ok) throw new Error(network.error.message);
        expect(ipRangeSize(network.value)).toBe(1n << BigInt(bits - prefix));
        expect(compareIpAddresses(network.value.first, base)).toBeLessThanOrEqual(0);
        expect(compareIpAddresses(network.value.last, base)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('IP-07 the networks of a range cover it exactly, in order', () => {
    fc.assert(
      fc.property(address, address, (a, b) => {
        fc.pre(a.family === b.family);
        const range = compareIpAddresses(a, b) <= 0 ? ipRangeOf(a, b) : ipRangeOf(b, a);
        const networks = cidrsOfRange(range).map((text) => {
          const parsed = parseIpRange(text);
          if (!parsed.ok) throw new Error(parsed.error.message);
          return parsed.value;
        });
        expect(networks[0]!.first).toEqual(range.first);
        expect(networks.at(-1)!.last).toEqual(range.last);
        expect(networks.reduce((sum, network) => sum + ipRangeSize(network), 0n)).toBe(ipRangeSize(range));
      }),
    );
  });

  it('IP-10 no text makes a reader throw, and every word of it is accounted for', () => {
    fc.assert(
      fc.property(fc.oneof(dirt, fc.string({ unit: 'binary' })), (text) => {
        parseClientAddress(text);
        const range = parseIpRange(text);
        if (!range.ok) expect(range.error.message).toMatch(/\.$/);
        const input = parseIpListInput(text);
        const taken = [
          ...input.ranges.map((entry) => [entry.position, entry.text] as const),
          ...input.refusals.map((r) => [r.position, r.entry] as const),
        ];
        for (const [position, entry] of taken) {
          const line = text.split(/\r\n|[\n\r\u2028\u2029]/u)[position.line - 1]!;
          expect(line.slice(position.column - 1, position.column - 1 + entry.length)).toBe(entry);
        }
        const file = parseIpListFile(text);
        if (!file.ok) expect(file.error.refusals.length).toBeGreaterThan(0);
      }),
      { numRuns: 5000 },
    );
  });

  it('a list file and a pasted list take the same entries to the same ranges', () => {
    fc.assert(
      fc.property(
        fc.array(
          dirt.filter((text) => !/[\n#;,]/.test(text)),
          { maxLength: 5 },
        ),
        (lines) => {
          const file = parseIpListFile(lines.join('\n'));
          const singles = lines.map((line) => parseIpRange(line)).filter((_, index) => lines[index]!.trim() !== '');
          expect(file.ok).toBe(singles.every((single) => single.ok));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
