import { describe, expect, it } from 'vitest';
import type { HeaderField } from '../../../src/decide/index.ts';
import { createSpamPatterns, type PatternSearch } from '../../../src/services/index.ts';
import { aDocument, aSnapshot, type Keys } from '../../support/builders.ts';
import { aMessage, type MessageTexts } from '../../support/messages.ts';

const GATEWAY = '198.51.100.7';
const MOST = 65_536;

const behind = (spamPattern?: string, more: Keys = {}): Keys => ({
  inboundGateway: { enabled: true, ips: [GATEWAY], ...(spamPattern !== undefined && { spamPattern }), ...more },
});

/** Gives what `answer` says, and keeps what it was asked. */
class FakeSearch implements PatternSearch {
  readonly asked: { readonly pattern: string; readonly lines: readonly string[] }[] = [];
  readonly #answer: (pattern: string, lines: readonly string[]) => number | null | 'gave-up';

  constructor(answer: (pattern: string, lines: readonly string[]) => number | null | 'gave-up' = () => null) {
    this.#answer = answer;
  }

  search(pattern: string, lines: readonly string[]): Promise<number | null | 'gave-up'> {
    this.asked.push({ pattern, lines });
    return Promise.resolve(this.#answer(pattern, lines));
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** Looks for the patterns of these own domains in a message through the gateway. */
async function look(
  domains: Keys,
  texts: MessageTexts & { fields?: readonly HeaderField[] },
  search = new FakeSearch(),
) {
  const { fields, ...envelope } = texts;
  const message = aMessage({ client: GATEWAY, ...envelope });
  const t = { ...message, headers: fields ?? message.headers };
  const looking = createSpamPatterns(search).look(aSnapshot(aDocument(domains)), t, message.at);
  const hits = looking === null ? null : [...(await looking)];
  return { hits, asked: search.asked };
}

/** The lines that a pattern sees which may match anywhere. */
async function linesOf(...fields: readonly HeaderField[]): Promise<{ lines: readonly string[]; isCut: boolean }> {
  const { hits, asked } = await look({ 'example.com': behind('x$') }, { fields });
  const [hit] = hits ?? [];
  if (hit?.[1].kind !== 'none') throw new Error('the search finds nothing');
  return { lines: asked[0]?.lines ?? [], isCut: hit[1].isCut };
}

const aField = (name: string, value: string): HeaderField => ({ name, value });
const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('GW-10 which messages are looked at', () => {
  const headers = ['X-Gw-Score: 9'];

  it('GW-10 one through the gateway is, and the field of the line that was found is told', async () => {
    const search = new FakeSearch((_, lines) => lines.indexOf('X-Gw-Score: 9'));
    const { hits } = await look({ 'example.com': behind('score: 9$') }, { headers: ['A: b', ...headers] }, search);
    expect(hits).toEqual([['example.com', { kind: 'match', field: 'X-Gw-Score' }]]);
  });

  it.each<[string, Keys, MessageTexts]>([
    ['one directly from a client', behind('9'), { client: '203.0.113.9' }],
    ['one from here', behind('9'), { client: 'local' }],
    ['one for another domain', behind('9'), { recipients: ['bob@elsewhere.example'] }],
    ['one where the gateway has no pattern', behind(), {}],
    ['one where the gateway is off', behind('9', { enabled: false }), {}],
    ['one where there is no gateway', {}, {}],
  ])('GW-10 %s is not', async (_, policy, texts) => {
    const { hits, asked } = await look({ 'example.com': policy }, { headers, ...texts });
    expect(hits).toBeNull();
    expect(asked).toEqual([]);
  });

  it('GW-10 a search that was given up is unknown', async () => {
    const search = new FakeSearch(() => 'gave-up');
    const { hits } = await look({ 'example.com': behind('9') }, { headers }, search);
    expect(hits).toEqual([['example.com', { kind: 'unknown' }]]);
  });

  it('GW-10 own domains have what their own patterns find; the same pattern is looked for once', async () => {
    const search = new FakeSearch((pattern) => (pattern === 'nine' ? 0 : null));
    const domains = {
      ...{ 'a.example': behind('nine'), 'b.example': behind('ten'), 'c.example': behind('nine') },
      ...{ 'd.example': behind() },
    };
    const recipients = ['x@a.example', 'y@a.example', 'x@b.example', 'x@c.example', 'x@d.example'];
    const { hits, asked } = await look(domains, { headers, recipients }, search);
    expect(hits).toEqual([
      ['a.example', { kind: 'match', field: 'X-Gw-Score' }],
      ['b.example', { kind: 'none', isCut: false }],
      ['c.example', { kind: 'match', field: 'X-Gw-Score' }],
    ]);
    expect(asked.map(({ pattern }) => pattern)).toEqual(['nine', 'ten']);
  });
});

describe('which lines are looked at', () => {
  it('GW-10 those that may match, whatever their case; what is not ASCII may stand for a letter', async () => {
    const headers = ['A: b', 'x-sPAM: yes', 'X-Span: no', 'X-S', latin1('X-ſpam: long s'), latin1('X-é: no')];
    const search = new FakeSearch((_, lines) => lines.indexOf('x-sPAM: yes'));
    const { hits, asked } = await look({ 'example.com': behind('^X-Spam: (yes|no)') }, { headers }, search);
    expect(asked.map(({ lines }) => lines)).toEqual([['x-sPAM: yes', 'X-ſpam: long s', 'X-é: no']]);
    expect(hits).toEqual([['example.com', { kind: 'match', field: 'x-sPAM' }]]);
  });

  it('GW-10 none: no thread is asked', async () => {
    const { hits, asked } = await look({ 'example.com': behind('^X-Gw-Score: 9') }, { headers: ['Subject: x'] });
    expect(hits).toEqual([['example.com', { kind: 'none', isCut: false }]]);
    expect(asked).toEqual([]);
  });

  it('GW-10 a message without a header has none', async () => {
    const { hits, asked } = await look({ 'example.com': behind('^$') }, {});
    expect(hits).toEqual([['example.com', { kind: 'none', isCut: false }]]);
    expect(asked).toEqual([]);
  });
});

describe('lines as patterns see them', () => {
  it.each([
    ['GW-10 a fold leaves its white space', aField('A', ' b\n\tc\n  d'), 'A: b\tc  d'],
    ['white space around is not seen', aField('A', ' \t\n b c \n\t '), 'A: b c'],
    ['a value without a space before it looks as with one', aField('A', 'b'), 'A: b'],
    ['an empty value', aField('A', ''), 'A: '],
    ['nothing but white space', aField('A', ' \n \t'), 'A: '],
    ['UTF-8 is read', aField('A', latin1(' 한글 à')), 'A: 한글 à'],
    ['a space that is part of a character stays', aField('A', latin1(' voilà')), 'A: voilà'],
    ['latin1 is seen as its octets', aField('A', ' na\xefve \xe9'), 'A: na\xefve \xe9'],
    ['a broken end of UTF-8 makes all octets', aField('A', ' \xed\x95'), 'A: \xed\x95'],
    ['a replacement character that is in the text', aField('A', latin1(' a\ufffdb é')), 'A: a\ufffdb é'],
    ['a replacement character beside latin1', aField('A', `${latin1(' \ufffd')} \xe9`), 'A: \xef\xbf\xbd \xe9'],
    ['a byte order mark stays', aField(latin1('\ufeffA'), 'b'), '\ufeffA: b'],
  ])('%s', async (_, field, line) => {
    const { lines, isCut } = await linesOf(field);
    expect(lines).toEqual([line]);
    expect(isCut).toBe(false);
  });

  it('each line is read in its own character set', async () => {
    const { lines } = await linesOf(aField('A', ' \xe9'), aField('B', latin1(' é')), aField('C', ' c'));
    expect(lines).toEqual(['A: \xe9', 'B: é', 'C: c']);
  });
});

describe('GW-09 a pattern sees 64 KiB of text', () => {
  it('GW-09 so much is seen whole', async () => {
    const value = 'x'.repeat(MOST - 'A: '.length);
    const { lines, isCut } = await linesOf(aField('A', value));
    expect([lines[0]?.length, isCut]).toEqual([MOST, false]);
  });

  it('GW-09 more is cut, and nothing after it is seen', async () => {
    const value = 'x'.repeat(MOST - 'A: '.length + 1);
    const { lines, isCut } = await linesOf(aField('A', value), aField('B', 'b'));
    expect(lines[0]?.endsWith('x\uffff')).toBe(true);
    expect([lines.map(({ length }) => length), isCut]).toEqual([[MOST + 1], true]);
  });

  it('GW-09 what comes after so much text is not seen', async () => {
    const value = 'x'.repeat(MOST - 'A: '.length);
    expect(await linesOf(aField('A', value), aField('B', ''))).toMatchObject({ isCut: true, lines: [{}] });
  });

  it('GW-09 a field whose name does not fit any more is not seen', async () => {
    const { lines, isCut } = await linesOf(aField('A', 'a'), aField('B'.repeat(MOST), 'b'), aField('C', 'c'));
    expect([lines, isCut]).toEqual([['A: a'], true]);
  });

  it.each([
    ['one field of 1 MiB', [aField('A', ' ab'.repeat(350_000))]],
    ['1 MiB of folds', [aField('A', `a${'\n b'.repeat(350_000)}`)]],
    ['1 MiB of spaces within a line', [aField('A', `a${' '.repeat(1_048_576)}b`)]],
    ['50,000 fields', Array.from({ length: 50_000 }, (_, n) => aField(`X-${n}`, ' value'))],
    ['50,000 fields of two octets', Array.from({ length: 50_000 }, () => aField('a', '\xc3\xa9'))],
  ])('GW-09 of %s', async (_, fields) => {
    const { lines, isCut } = await linesOf(...fields);
    const seen = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    expect(isCut).toBe(true);
    expect(seen).toBeLessThanOrEqual(MOST + Buffer.byteLength('\uffff'));
    expect(lines.length).toBeLessThan(22_000);
  });

  it('GW-09 a character is not cut in two, which would make its line unreadable', async () => {
    for (const pad of ['', 'a', 'ab', 'abc']) {
      const { lines } = await linesOf(aField('A', latin1(` ${pad}${'🎣'.repeat(20_000)}`)));
      expect(lines[0]).toMatch(new RegExp(`^A: ${pad}(?:🎣)+\uffff?$`, 'u'));
    }
  });
});
