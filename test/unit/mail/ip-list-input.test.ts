import { describe, expect, it } from 'vitest';
import { MAX_FILE_REFUSALS, parseIpListFile, parseIpListInput, type IpList } from '../../../src/mail/ip-list-input.ts';

const texts = (input: string): string[] => parseIpListInput(input).ranges.map((entry) => entry.range.text);
const refused = (input: string): [string, string][] =>
  parseIpListInput(input).refusals.map((refusal) => [refusal.entry, refusal.reason]);

describe('parseIpListInput', () => {
  it('IP-10 takes commas, line breaks, spaces, tabs and no-break spaces, and folds duplicates', () => {
    const input = '192.0.2.1, 192.0.2.2,,\r\n192.0.2.3\t192.0.2.4 \u00a0192.0.2.5\n\n192.0.2.1,';
    const parsed = parseIpListInput(input);
    expect(parsed.ranges.map((entry) => entry.range.text)).toEqual([1, 2, 3, 4, 5].map((n) => `192.0.2.${n}`));
    expect(parsed.refusals).toEqual([]);
    expect(parsed.duplicates).toBe(1);
  });

  it('IP-10 folds duplicates that are written differently', () => {
    const parsed = parseIpListInput(
      '192.0.2.0/24 192.0.2.0-192.0.2.255 ::ffff:192.0.2.0/120 2001:DB8::1 2001:db8:0::1',
    );
    expect(parsed.ranges.map((entry) => entry.text)).toEqual(['192.0.2.0/24', '2001:DB8::1']);
    expect(parsed.duplicates).toBe(3);
  });

  it.each(['，', ';', '；', '、'])('IP-10 refuses %s between two addresses, with the way out', (separator) => {
    const parsed = parseIpListInput(`192.0.2.1${separator}192.0.2.2`);
    expect(parsed.ranges).toEqual([]);
    expect(parsed.refusals).toHaveLength(1);
    expect(parsed.refusals[0]).toMatchObject({ entry: `192.0.2.1${separator}192.0.2.2`, reason: 'separator' });
    expect(parsed.refusals[0]!.message).toContain(`"${separator}"`);
    expect(parsed.refusals[0]!.message).toContain('comma, a line break or a space');
  });

  it('IP-10 refuses a semicolon before a space and does not glue it', () => {
    expect(refused('192.0.2.1; 192.0.2.2')).toEqual([['192.0.2.1;', 'separator']]);
  });

  it.each([
    '192.0.2.1 - 192.0.2.9',
    '192.0.2.1- 192.0.2.9',
    '192.0.2.1 -192.0.2.9',
    '192.0.2.1\t-\u00a0192.0.2.9',
    '192.0.2.1 – 192.0.2.9',
  ])('IP-07 "%s" is refused as a whole, never two single addresses', (entry) => {
    const parsed = parseIpListInput(`198.51.100.1, ${entry}, 198.51.100.2`);
    expect(parsed.ranges.map((taken) => taken.range.text)).toEqual(['198.51.100.1', '198.51.100.2']);
    expect(parsed.refusals.map(({ entry: named, reason, position }) => [named, reason, position])).toEqual([
      [entry, 'dash', { index: 1, line: 1, column: 15 }],
    ]);
    expect(parsed.refusals[0]!.message).toMatch(/without spaces|plain "-"/);
  });

  it('IP-07 a dash reaches neither over a comma nor over a line break', () => {
    expect(refused('192.0.2.1, -, 192.0.2.9')).toEqual([['-', 'dash']]);
    expect(refused('- 192.0.2.1\n- 192.0.2.2')).toEqual([
      ['- 192.0.2.1', 'dash'],
      ['- 192.0.2.2', 'dash'],
    ]);
  });

  it('IP-07 counts a dash range as one entry', () => {
    expect(texts('192.0.2.1-192.0.2.9')).toEqual(['192.0.2.1-192.0.2.9']);
  });

  it('IP-03 names all refused entries in one answer, with places', () => {
    const bad = ['1.1.1.1/33', '1.1.1.1/50000000', '1.1.1.1/-1', '1.1.1.1/', '1.1.1.1/08', '1.1.1.1/8.0'];
    const worse = ['2001:db8::/129', '999.1.1.1', '1.1.1.1/24/24'];
    const parsed = parseIpListInput(`${bad.join(', ')}\r\n${worse.join(' ')}\n192.0.2.1`);
    expect(parsed.refusals.map((refusal) => refusal.entry)).toEqual([...bad, ...worse]);
    expect(parsed.refusals.map((refusal) => refusal.position.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(parsed.refusals[1]!.position).toEqual({ index: 1, line: 1, column: 13 });
    expect(parsed.refusals[7]!.position).toEqual({ index: 7, line: 2, column: 16 });
    expect(parsed.ranges[0]!.position).toEqual({ index: 9, line: 3, column: 1 });
    for (const refusal of parsed.refusals) expect(refusal.message).toContain(`"${refusal.entry}"`);
  });

  it.each(['', ' ,\n\t, ', '\u00a0'])('finds nothing in %j', (input) => {
    expect(parseIpListInput(input)).toEqual({ ranges: [], refusals: [], duplicates: 0 });
  });
});

describe('parseIpListFile', () => {
  const list = (text: string): IpList => {
    const parsed = parseIpListFile(text);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    return parsed.value;
  };
  const plain = ({ first, last, line }: IpList['v4']): number[][] => [[...first], [...last], [...line]];

  it('reads one entry a line with comments, empty lines and CRLF', () => {
    const text = [
      '\ufeff; a list, as of today',
      '192.0.2.0/24 ; SBL1',
      '',
      '  198.51.100.7\t# one host',
      '#198.51.100.8',
      '192.0.2.1-192.0.2.3#x',
      '\u00a0',
      '\u00a0203.0.113.1\u00a0',
      '::ffff:192.0.2.9',
      '::ffff:192.0.2.0/120',
      '2001:db8::/33',
      '[2001:db8::1]',
      '2001:db8::2',
    ].join('\r\n');
    const read = list(text);
    expect(read.count).toBe(9);
    expect(plain(read.v4)).toEqual([
      [0xc0000200, 0xc6336407, 0xc0000201, 0xcb007101, 0xc0000209, 0xc0000200],
      [0xc00002ff, 0xc6336407, 0xc0000203, 0xcb007101, 0xc0000209, 0xc00002ff],
      [2, 4, 6, 8, 9, 10],
    ]);
    expect(plain(read.v6)).toEqual([
      [0x20010db8, 0, 0, 0, 0x20010db8, 0, 0, 1, 0x20010db8, 0, 0, 2],
      [0x20010db8, 0x7fffffff, 0xffffffff, 0xffffffff, 0x20010db8, 0, 0, 1, 0x20010db8, 0, 0, 2],
      [11, 12, 13],
    ]);
  });

  it('reads networks of every width', () => {
    expect(plain(list('0.0.0.0/0\n128.0.0.0/1\n192.0.2.1/32').v4)).toEqual([
      [0, 0x80000000, 0xc0000201],
      [0xffffffff, 0xffffffff, 0xc0000201],
      [1, 2, 3],
    ]);
  });

  it('reads an empty file', () => {
    expect(list('').count).toBe(0);
    expect(list('# nothing\n\n').count).toBe(0);
  });

  it('is plain data', () => {
    const read = list('192.0.2.1\n2001:db8::1\n');
    expect(structuredClone(read)).toEqual(read);
  });

  it.each([
    ['192.0.2.7/24', 'host-bits', 'write 192.0.2.0/24'],
    ['2001:db8::1/64', 'host-bits', 'write 2001:db8::/64'],
    ['192.0.2.0/33', 'prefix-length', '0 to 32'],
    ['192.0.2.0/2x', 'prefix-length', '"2x"'],
    ['192.0.2.0/.5', 'prefix-length', '".5"'],
    ['192.0.2.0/', 'prefix-length', 'no prefix length'],
    ['192.0.2.0/024', 'prefix-length', '"024"'],
    ['192.0.2.0/1000', 'prefix-length', '"1000"'],
    ['192.0.2.1 192.0.2.2', 'separator', 'one entry a line'],
    ['192.0.2.1,192.0.2.2', 'separator', 'one entry a line'],
    ['010.0.0.1', 'leading-zero', 'write 10.0.0.1'],
    ['example.com', 'domain-name', 'is a name'],
  ])('refuses %s with its line', (entry, reason, part) => {
    const parsed = parseIpListFile(`192.0.2.1\n# comment\n${entry} # tail\n192.0.2.2`);
    expect(parsed).toMatchObject({ ok: false, error: { more: 0, refusals: [{ line: 3, entry, reason }] } });
    expect(JSON.stringify(parsed)).toContain(JSON.stringify(part).slice(1, -1));
  });

  it('names a hundred refused lines and counts the others', () => {
    const parsed = parseIpListFile('192.0.2.1\nx\n'.repeat(MAX_FILE_REFUSALS + 7));
    if (parsed.ok) throw new Error('taken');
    expect(parsed.error.refusals).toHaveLength(MAX_FILE_REFUSALS);
    expect(parsed.error.refusals.at(-1)!.line).toBe(2 * MAX_FILE_REFUSALS);
    expect(parsed.error.more).toBe(7);
  });

  it('reads a million lines without an object for each', () => {
    const lines = Array.from({ length: 1_000_000 }, (_, i) => `${(i >>> 14) + 1}.${(i >>> 8) & 63}.${i & 255}.0/24`);
    const read = list(lines.join('\n'));
    expect(read.count).toBe(1_000_000);
    expect(read.v4.first.byteLength + read.v4.last.byteLength + read.v4.line.byteLength).toBe(12_000_000);
    expect(read.v4.line.at(-1)).toBe(1_000_000);
  });
});
