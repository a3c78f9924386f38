import { describe, expect, it } from 'vitest';
import {
  decodeRecipient,
  decodeRules,
  decodeSamples,
  encodeRecipient,
  isEncodable,
  xtext,
} from '../../../src/mail/index.ts';

const LABEL = 'r7-0a1b2c3d';
const INTERNAL = 'route.postern.internal';
const END = `@${LABEL}.${INTERNAL}`;
const encode = (localPart: string, domain: string): string => encodeRecipient({ localPart, domain }, LABEL, INTERNAL);

describe('an encoded recipient', () => {
  it.each([
    ['u', 'example.test', 'u=example.test'],
    ['u=x=y', 'example.test', 'u=x=y=example.test'],
    ['=', 'example.test', '==example.test'],
    ['u+tag', 'example.test', 'u+tag=example.test'],
    ["o'brien", 'example.test', "o'brien=example.test"],
    ['a!b', 'example.test', 'a!b=example.test'],
    ['a%b', 'example.test', 'a%b=example.test'],
    ['a@b', 'example.test', 'a@b=example.test'],
    ['"a b"', 'dom', '"a b=dom"'],
    [String.raw`"a\"b"`, 'dom', String.raw`"a\"b=dom"`],
    [String.raw`"a\\"`, 'dom', String.raw`"a\\=dom"`],
    ['"a@b"', 'dom', '"a@b=dom"'],
    ['"a=b@c"', 'dom', '"a=b@c=dom"'],
    ['U.Ser', 'Example.TEST', 'U.Ser=Example.TEST'],
    ['jürgen', 'bücher.test', 'jürgen=bücher.test'],
    ['u'.repeat(400), 'example.test', `${'u'.repeat(400)}=example.test`],
    ['u', 'example.test.', 'u=example.test.'],
  ])('%s@%s goes there and comes back', (localPart, domain, encoded) => {
    expect(encode(localPart, domain)).toBe(encoded + END);
    expect(decodeRecipient(encoded + END, INTERNAL)).toEqual({ label: LABEL, address: `${localPart}@${domain}` });
  });

  it.each([
    ['u', '[127.0.0.9]', '"u=[127.0.0.9]"', '"u"@[127.0.0.9]'],
    ['"a b"', '[IPv6:2001:db8::9]', '"a b=[IPv6:2001:db8::9]"', '"a b"@[IPv6:2001:db8::9]'],
    ['a."b c".d', 'dom', '"a.b c.d=dom"', '"a.b c.d"@dom'],
    ['"a"."b"', 'dom', '"a.b=dom"', '"a.b"@dom'],
    [String.raw`a\ "\"b\\"`, 'dom', String.raw`"a \"b\\=dom"`, String.raw`"a \"b\\"@dom`],
  ])('%s@%s becomes one quoted string, the same mailbox', (localPart, domain, encoded, address) => {
    expect(encode(localPart, domain)).toBe(encoded + END);
    expect(decodeRecipient(encoded + END, INTERNAL)).toEqual({ label: LABEL, address });
  });

  it.each([
    ['', 'dom'],
    ['""', 'dom'],
    ['u', ''],
    ['u', 'a=b'],
    ['u', 'a@b'],
    ['u', '"dom"'],
    ['u', '[a=b]'],
    ['u', '[127.0.0.9'],
    ['u', 'a b'],
    ['u', 'do\ufffdm'],
    ['a b', 'dom'],
    ['u(note)', 'dom'],
    ['<u>', 'dom'],
    ['a[b', 'dom'],
    ['a,b', 'dom'],
    ['a:b', 'dom'],
    ['a;b', 'dom'],
    ['a\nb', 'dom'],
    ['"a\r\nb"', 'dom'],
    ['"a\\\nb"', 'dom'],
    ['"a\u0000b"', 'dom'],
    ['\ufffd', 'dom'],
    ['"\ufffd"', 'dom'],
    ['"a', 'dom'],
    [String.raw`"a\"`, 'dom'],
    ['a\\', 'dom'],
  ])('%j@%j cannot be one', (localPart, domain) => {
    expect(isEncodable({ localPart, domain })).toBe(false);
    expect(() => encode(localPart, domain)).toThrow(RangeError);
  });

  it('is known in any case of letters, its label in small ones', () => {
    expect(decodeRecipient('U=Dom@R7-0A1B2C3D.Route.POSTERN.internal', INTERNAL)).toEqual({
      label: LABEL,
      address: 'U@Dom',
    });
  });

  it.each([
    'u@example.com',
    'u=dom',
    `u=dom@${INTERNAL}`,
    `u=dom@a.${LABEL}.${INTERNAL}`,
    `u=dom${END}.example.com`,
    `u=dom@${LABEL}.routexpostern.internal`,
    `u=dom@${LABEL}xroute.postern.internal`,
    `u=dom@r\u212a-0.${INTERNAL}`,
    `u${END}`,
    `=dom${END}`,
    `u=${END}`,
    `"=dom"${END}`,
    `"u="${END}`,
    END,
  ])('%s is none', (text) => {
    expect(decodeRecipient(text, INTERNAL)).toBeNull();
  });
});

describe('the lines of the table', () => {
  it('name one label of one domain, the quoted form first', () => {
    expect(decodeRules(LABEL, INTERNAL)).toEqual([
      { key: String.raw`^"(.+)=([^=@"]+)"@r7-0a1b2c3d\.route\.postern\.internal$`, value: '"$1"@$2' },
      { key: String.raw`^(.+)=([^=@"]+)@r7-0a1b2c3d\.route\.postern\.internal$`, value: '$1@$2' },
    ]);
  });

  it('have a sample each, which only that line answers as it must', () => {
    const rules = decodeRules(LABEL, INTERNAL);
    const samples = decodeSamples(LABEL, INTERNAL);
    expect(samples).toEqual([
      { key: `"a b=example.com"${END}`, value: '"a b"@example.com' },
      { key: `a=b=example.com${END}`, value: 'a=b@example.com' },
    ]);
    for (const [index, { key, value }] of samples.entries()) {
      const answers = rules.map((rule) => key.replace(new RegExp(rule.key, 'i'), rule.value));
      expect(answers.map((answer) => answer === value)).toEqual(rules.map((_, at) => at === index));
    }
  });
});

describe('xtext', () => {
  it.each([
    ['u@example.test', 'u@example.test'],
    ['!~', '!~'],
    ['a+b=c', 'a+2Bb+3Dc'],
    ['"a b"@dom', '"a+20b"@dom'],
    ['\t\u007f', '+09+7F'],
    ['jürgen', 'j+C3+BCrgen'],
    ['😀', '+F0+9F+98+80'],
    ['', ''],
  ])('%s', (text, encoded) => {
    expect(xtext(text)).toBe(encoded);
  });
});
