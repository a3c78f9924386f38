import { describe, expect, it } from 'vitest';
import { validate } from '../../../src/settings/index.ts';
import { errorsOf, inDomain, withDomain } from '../../support/builders.ts';

const gateway = (settings: unknown) => errorsOf(withDomain({ inboundGateway: settings }));
const ips = (...entries: string[]) => gateway({ ips: entries });
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `192.0.2.${index}`);
const TOO_WIDE = 'is too wide; the widest is /20 for IPv4 and /64 for IPv6';

describe('IP-16 gateway list limits', () => {
  it('IP-16 10.0.0.0/20 and 2001:db8::/64 are taken', () => {
    expect(ips('10.0.0.0/20', '2001:db8::/64')).toEqual([]);
  });

  it.each([
    ['10.0.0.0/19', '10.0.0.0/19'],
    ['2001:db8::/63', '2001:db8::/63'],
    ['192.0.2.0-192.0.63.255', '192.0.2.0-192.0.63.255'],
    ['10.0.0.0-10.0.16.0', '10.0.0.0-10.0.16.0'],
    ['0.0.0.0/0', '0.0.0.0/0'],
  ])('IP-16 %s is refused as too wide', (entry, text) => {
    expect(ips('10.0.0.1', entry)).toEqual([[inDomain('inboundGateway/ips/1'), `"${text}" ${TOO_WIDE}`]]);
  });

  it('IP-16 a range of exactly a /20 is taken, wherever it starts', () => {
    expect(ips('10.0.0.1-10.0.16.0')).toEqual([]);
  });

  it('IP-16 host bits are refused', () => {
    expect(ips('10.0.0.1/20')).toEqual([[inDomain('inboundGateway/ips/0'), expect.stringContaining('10.0.0.0/20')]]);
  });

  it('IP-16 private addresses are fine', () => {
    expect(ips('10.0.0.1', '10.1.1.0/24')).toEqual([]);
  });

  it('IP-16 50 entries are taken, 51 refused, and duplicates do not count', () => {
    expect(ips(...many(50))).toEqual([]);
    expect(ips(...many(50), '192.0.2.0', '192.0.2.1/32')).toEqual([]);
    expect(ips(...many(51))).toEqual([
      [
        inDomain('inboundGateway/ips'),
        'holds 51 entries, and the limit is 50; put ranges in place of single addresses',
      ],
    ]);
  });
});

describe('an inbound gateway', () => {
  it('that is enabled needs addresses', () => {
    const fault = 'is empty, so no mail could come through the gateway; name its addresses, or set enabled: false';
    expect(gateway({ enabled: true })).toEqual([[inDomain('inboundGateway/ips'), fault]]);
    expect(gateway({ enabled: false, onlyFromGateway: true })).toEqual([]);
  });

  it('with only broken addresses is not said to have none', () => {
    expect(gateway({ enabled: true, ips: ['x'] }).map(([pointer]) => pointer)).toEqual([
      inDomain('inboundGateway/ips/0'),
    ]);
  });

  it('may not name a route that does not exist', () => {
    expect(gateway({ internalThroughGateway: 'gw' })).toEqual([
      [
        inDomain('inboundGateway/internalThroughGateway'),
        'is "gw", which is no route of organization acme; it has none yet; add it under routes:',
      ],
    ]);
  });
});

describe('GW-09 patterns', () => {
  it.each(['(a+)+$', '(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$', '(?<name>a)', '^X-Gw-Score: (9|10)', '🎣'.repeat(1000)])(
    'GW-09 %s is taken: the engine matches it in linear time',
    (spamPattern) => {
      expect(gateway({ spamPattern })).toEqual([]);
    },
  );

  it.each(['(?=a)', '(?!a)', '(?<=a)', '(?<!a)', '(a)\\1', '(?<n>a)\\k<n>', '(?P<n>a)(?P=n)'])(
    'GW-09 %s is refused: look-around and back-references take more',
    (spamPattern) => {
      expect(gateway({ spamPattern })).toEqual([
        [
          inDomain('inboundGateway/spamPattern'),
          expect.stringMatching(
            /^uses look-around or a back-reference, which cannot be matched in linear time \(.*\); write it without$/,
          ),
        ],
      ]);
    },
  );

  it.each(['([', 'a**', '\\Z', '(a{1000}){1000}', '\\\\1([', '(?<n>a)(['])(
    'GW-09 %s is refused as no pattern',
    (spamPattern) => {
      expect(gateway({ spamPattern })).toEqual([
        [inDomain('inboundGateway/spamPattern'), expect.stringMatching(/^is no valid pattern \(RE2 syntax\): /)],
      ]);
    },
  );

  it('GW-09 without an engine at hand a pattern is left to compile', () => {
    expect(validate(withDomain({ inboundGateway: { spamPattern: '([' } })).issues).toEqual([]);
  });
});
