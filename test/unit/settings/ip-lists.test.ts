import { describe, expect, it } from 'vitest';
import { identityOf, LIMITS, parseExpiry, validate } from '../../../src/settings/index.ts';
import { aDocument, aSettings, errorsOf, inDomain, warningsOf, withDomain } from '../../support/builders.ts';

const ENTRIES = 10_000;
const many = (count: number, from = 0): string[] =>
  Array.from(
    { length: count },
    (_, index) => `10.${(from + index) >>> 16}.${((from + index) >>> 8) & 255}.${(from + index) & 255}`,
  );
const blocked = (...entries: unknown[]) => withDomain({ blockedIps: entries });
const messages = (...entries: unknown[]): string[] => errorsOf(blocked(...entries)).map(([, message]) => message);

describe('entries of allowed and blocked IPs', () => {
  it.each([
    [
      'IP-01',
      '010.1.1.1',
      '"010.1.1.1" has a leading zero in "010", which some programs read as octal; write 10.1.1.1 if decimal is meant.',
    ],
    [
      'IP-01',
      '192.0.2.08',
      '"192.0.2.08" has a leading zero in "08", which some programs read as octal; write 192.0.2.8 if decimal is meant.',
    ],
    [
      'IP-01',
      '192.0.2.010',
      '"192.0.2.010" has a leading zero in "010", which some programs read as octal; write 192.0.2.10 if decimal is meant.',
    ],
    [
      'IP-02',
      '192.0.2.7/24',
      '"192.0.2.7/24" has bits set beyond its prefix; write 192.0.2.0/24 for the whole network, or 192.0.2.7 for the one address.',
    ],
  ])('%s %s is refused by name, with what may be meant, long and short form alike', (_, entry, message) => {
    expect(messages(entry)).toEqual([message]);
    expect(errorsOf(blocked({ ip: entry }))).toEqual([[inDomain('blockedIps/0/ip'), message]]);
    expect(errorsOf(withDomain({ allowedIps: [entry], inboundGateway: { ips: [entry] } }))).toEqual([
      [inDomain('allowedIps/0'), message],
      [inDomain('inboundGateway/ips/0'), message],
    ]);
  });

  it('IP-01 single zeros stay valid', () => {
    expect(errorsOf(blocked('0.0.0.0/8', '10.0.0.0'))).toEqual([]);
  });

  it.each([
    [
      'IP-03',
      [
        '1.1.1.1/33',
        '1.1.1.1/50000000',
        '1.1.1.1/-1',
        '1.1.1.1/',
        '1.1.1.1/08',
        '1.1.1.1/8.0',
        '2001:db8::/129',
        '999.1.1.1',
        '1.1.1.1/24/24',
      ],
    ],
    ['IP-09', ['192.0.2.*', '192.0.2', '192.0.2.0/255.255.255.0', '0x7f.1', '2130706433']],
  ])('%s each is refused by name in one answer, and nothing is saved', (_, entries) => {
    const { settings, issues } = validate(blocked('192.0.2.1', ...entries));
    expect(settings).toBeNull();
    expect(issues.map(({ pointer }) => pointer)).toEqual(
      entries.map((__, index) => inDomain(`blockedIps/${index + 1}`)),
    );
    entries.forEach((entry, index) => {
      expect(issues[index]?.message).toContain(`"${entry}"`);
    });
  });

  it('IP-09 for the first two forms the network is offered', () => {
    expect(messages('192.0.2.*', '192.0.2')).toEqual([
      expect.stringContaining('192.0.2.0/24'),
      expect.stringContaining('192.0.2.0/24'),
    ]);
  });

  it.each(['192.0.2.1-192.0.2.9', '2001:db8::/32', '::ffff:192.0.2.1', '[2001:db8::1]'])('%s is one entry', (entry) => {
    const settings = aSettings(blocked(entry));
    expect(settings.organizations.get('acme')?.domains.values().next().value?.blockedIps).toHaveLength(1);
  });
});

describe('IP-11 limits count entries without duplicates', () => {
  const LIMIT = `holds 10001 entries, and the limit is 10000; put ranges in place of single addresses, or move the list to a file: { file: … }`;

  it.each(['allowedIps', 'blockedIps'])('IP-11 %s takes 10,000 and no more', (key) => {
    expect(LIMITS.ipEntries).toBe(ENTRIES);
    expect(errorsOf(withDomain({ [key]: many(ENTRIES) }))).toEqual([]);
    expect(errorsOf(withDomain({ [key]: many(ENTRIES + 1) }))).toEqual([[inDomain(key), LIMIT]]);
  });

  it('IP-11 9,999 and 2 new are refused; 1 new and 3 already present are taken', () => {
    const present = many(9_999);
    expect(errorsOf(blocked(...present, '192.0.2.1', '192.0.2.2'))).toEqual([[inDomain('blockedIps'), LIMIT]]);
    expect(errorsOf(blocked(...present, '192.0.2.1', '10.0.0.0', '10.0.0.1/32', { ip: '::ffff:10.0.0.2' }))).toEqual(
      [],
    );
  });

  it('IP-11 allow and block count apart, and each domain counts apart', () => {
    const full = { allowedIps: many(ENTRIES), blockedIps: many(ENTRIES) };
    expect(errorsOf(aDocument({ 'a.example': full, 'b.example': full }))).toEqual([]);
  });

  it('the limit is checked beside a broken entry, which does not count', () => {
    expect(errorsOf(blocked(...many(ENTRIES), 'bad')).map(([pointer]) => pointer)).toEqual([
      inDomain(`blockedIps/${ENTRIES}`),
    ]);
    expect(errorsOf(blocked(...many(ENTRIES + 1), 'bad')).map(([pointer]) => pointer)).toEqual([
      inDomain(`blockedIps/${ENTRIES + 1}`),
      inDomain('blockedIps'),
    ]);
  });

  it('a range and a list file are one entry each', () => {
    expect(errorsOf(blocked(...many(ENTRIES - 2), '172.16.0.0/12', { file: 'lists/drop.txt' }))).toEqual([]);
  });
});

describe('duplicates', () => {
  it('are warned of at the later entry, whatever the spelling', () => {
    const document = blocked(
      '192.0.2.0/24',
      { ip: '192.0.2.0-192.0.2.255', note: 'again' },
      { file: 'a' },
      { file: 'a' },
      { file: 'b' },
    );
    expect(warningsOf(document)).toEqual([
      [inDomain('blockedIps/1'), 'is the same as entry 1 and does not count; keep one of the two'],
      [inDomain('blockedIps/3'), 'is the same as entry 3 and does not count; keep one of the two'],
    ]);
  });

  it('an address and a file of the same name differ', () => {
    const [address, file] = [...aSettings(blocked('192.0.2.1', { file: '192.0.2.1' })).organizations.values()]
      .flatMap(({ domains }) => [...domains.values()])
      .flatMap((own) => own.blockedIps.map(identityOf));
    expect(address).not.toBe(file);
  });
});

describe('entries worth a second look', () => {
  it('a wide or shared allowed entry is accepted with a warning', () => {
    expect(warningsOf(withDomain({ allowedIps: ['0.0.0.0/0', '192.0.2.1', '40.92.0.1'] }))).toEqual([
      [inDomain('allowedIps/0'), expect.stringContaining('is wider than a /16')],
      [inDomain('allowedIps/2'), expect.stringContaining('Microsoft 365')],
    ]);
  });

  it('a wide blocked entry is not', () => {
    expect(warningsOf(blocked('10.0.0.0/8'))).toEqual([]);
  });
});

describe('ADM-04 notes', () => {
  const note = (text: string) => errorsOf(blocked({ ip: '192.0.2.1', note: text }));

  it('ADM-04 500 characters are kept, 501 are refused with the limit', () => {
    expect(note('x'.repeat(500))).toEqual([]);
    expect(note('x'.repeat(501))).toEqual([
      [inDomain('blockedIps/0/note'), 'has 501 characters, and the limit is 500; shorten it'],
    ]);
    expect(note('x'.repeat(1000))).toHaveLength(1);
  });

  it('ADM-04 an emoji is one character', () => {
    expect(note('🎣'.repeat(500))).toEqual([]);
    expect(note('🎣'.repeat(501))).toEqual([
      [inDomain('blockedIps/0/note'), 'has 501 characters, and the limit is 500; shorten it'],
    ]);
  });

  it('ADM-04 a list file has a note with the same limit', () => {
    expect(errorsOf(blocked({ file: 'f', note: 'x'.repeat(501) })).map(([pointer]) => pointer)).toEqual([
      inDomain('blockedIps/0/note'),
    ]);
  });
});

describe('expiry', () => {
  it.each([
    ['2027-01-31', '2027-02-01T00:00:00Z'],
    ['2028-02-29', '2028-03-01T00:00:00Z'],
    ['2027-01-31T18:00:00Z', '2027-01-31T18:00:00Z'],
    ['2027-01-31T18:00Z', '2027-01-31T18:00:00Z'],
    ['2027-01-31T18:00:00.5+02:00', '2027-01-31T16:00:00.500Z'],
    ['2026-12-31T23:59:59-01:30', '2027-01-01T01:29:59Z'],
  ])('%s has passed at %s', (text, at) => {
    expect(parseExpiry(text)).toBe(Date.parse(at));
  });

  it.each([
    '',
    'tomorrow',
    '2027-02-30',
    '2027-02-29',
    '2027-13-01',
    '2027-00-10',
    '2027-1-31',
    '31.01.2027',
    '2027-01-31 18:00',
    '2027-01-31T18:00:00',
    '2027-02-30T18:00:00Z',
    '2027-01-31T24:00:00Z',
    '2027-01-31T18:60:00Z',
    '2027-01-31T18Z',
    '2027-01-31T18:00:00+2',
    '2027-01-31T::::::Z',
    ' 2027-01-31',
    '2027-01-31\n',
  ])('"%s" is no date', (text) => {
    expect(parseExpiry(text)).toBeNull();
  });
});
