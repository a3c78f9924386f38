import { describe, expect, it } from 'vitest';
import { decodeBounceText } from '../../../src/answers/index.ts';
import { encodeRecipient } from '../../../src/mail/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { aRoutedSnapshot, knownRoute, withDomain } from '../../support/builders.ts';

const ROUTES = { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30', port: 2525 } };
const snapshot = aRoutedSnapshot(withDomain({}, { routes: ROUTES }));
const label = knownRoute(snapshot, 'archive').label;
const other = knownRoute(snapshot, 'dlp').label;
const END = `@${label}.route.postern.internal`;

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const decode = (text: string, given: Snapshot = snapshot): string | null => decodeBounceText(text, given);

describe('an encoded recipient', () => {
  it.each([
    ['u', 'example.test', 'u@example.test'],
    ['u=x=y', 'example.test', 'u=x=y@example.test'],
    ['u+tag', 'example.test', 'u+tag@example.test'],
    ["o'brien", 'example.test', "o'brien@example.test"],
    ['a!b%c', 'example.test', 'a!b%c@example.test'],
    ['"a b"', 'dom', '"a b"@dom'],
    [String.raw`"a\"b"`, 'dom', String.raw`"a\"b"@dom`],
    [String.raw`"a\\"`, 'dom', String.raw`"a\\"@dom`],
    ['"a@b"', 'dom', '"a@b"@dom'],
    ['"a=b@c"', 'dom', '"a=b@c"@dom'],
    ['".u"', 'dom', '".u"@dom'],
    ['"u."', 'dom', '"u."@dom'],
    ['"a..b"', 'dom', '"a..b"@dom'],
    ['U.Ser', 'Example.TEST', 'U.Ser@Example.TEST'],
    ['jürgen', 'bücher.test', 'jürgen@bücher.test'],
    ['"jür gen"', 'bücher.test', '"jür gen"@bücher.test'],
    ['u'.repeat(400), 'example.test', `${'u'.repeat(400)}@example.test`],
  ])('%s@%s is told as it was', (localPart, domain, address) => {
    const encoded = encodeRecipient({ localPart, domain }, label, 'route.postern.internal');
    for (const [before, after] of [
      ['<', '>: host 127.0.0.2 said: 550 no'],
      ['', ''],
      ['Final-Recipient: rfc822; ', '\r\n'],
      ['Final-Recipient: utf-8; ', '\r\nAction: failed\r\n'],
      ['Original-Recipient: rfc822;', '\r\n'],
    ]) {
      expect(decode(latin1(`${before}${encoded}${after}`))).toBe(latin1(`${before}${address}${after}`));
    }
  });

  it.each([
    ['u', '[127.0.0.9]', 'u@[127.0.0.9]'],
    ['jürgen', '[IPv6:2001:db8::9]', 'jürgen@[IPv6:2001:db8::9]'],
    ['"a b"', '[127.0.0.9]', '"a b"@[127.0.0.9]'],
    ['"a"."b"', 'dom', 'a.b@dom'],
  ])('the quotes of %s@%s stay where it needs them', (localPart, domain, address) => {
    const encoded = encodeRecipient({ localPart, domain }, label, 'route.postern.internal');
    expect(decode(latin1(`<${encoded}>`))).toBe(latin1(`<${address}>`));
  });

  it('without its quotes, as logs have it', () => {
    expect(decode(`to a b=dom${END}; u=[127.0.0.9]${END}`)).toBe('to a b@dom; u@[127.0.0.9]');
  });

  it('as xtext', () => {
    expect(decode(`rfc822;u+2Btag+3Dexample.test${END}`)).toBe('rfc822;u+2Btag@example.test');
    expect(decode(`rfc822;a+3Db+3dexample.test${END}`)).toBe('rfc822;a+3Db@example.test');
    expect(decode(`rfc822;"a+20b+3Dd.test"${END}`)).toBe('rfc822;"a+20b"@d.test');
    expect(decode(`rfc822;u+3D[127.0.0.9]${END}`)).toBe('rfc822;u@[127.0.0.9]');
    expect(decode(`rfc822;u+3Db+C3+BCcher.test${END}`)).toBe('rfc822;u@b+C3+BCcher.test');
  });

  it('in a line that Postfix broke at a space of the local-part', () => {
    expect(decode(`<"a\r\n    long\r\n    name=dom"${END}>: said\r\n`)).toBe(
      '<"a\r\n    long\r\n    name"@dom>: said\r\n',
    );
  });

  it('several of several routes, in one line', () => {
    const text = `<u=a.test${END}> (expanded from <v="w=b.test@${other}.route.postern.internal>), <x@c.test>`;
    expect(decode(text)).toBe('<u@a.test> (expanded from <v="w@b.test>), <x@c.test>');
  });

  it('the case of label and internal domain makes no difference', () => {
    expect(decode(`u=a.test${END.toUpperCase()}`)).toBe('u@a.test');
  });

  it('at the end of a sentence', () => {
    expect(decode(`sent to u=a.test${END}.`)).toBe('sent to u@a.test.');
  });
});

describe('what stays', () => {
  it.each([
    ['a text without any', 'I am sorry to have to inform you\r\n'],
    ['nothing', ''],
    ['a label that is not ours', 'u=a.test@r9-00000000.route.postern.internal'],
    ['a label with another before it', `u=a.test@x.${label}.route.postern.internal`],
    ['a label that goes on', `u=a.test@x${label}.route.postern.internal`],
    ['another internal domain', `u=a.test@${label}.route.postern.example`],
    ['a dot that is none', `u=a.test@${label}.routexpostern.internal`],
    ['a domain that goes on', `u=a.test${END}.example`],
    ['a label that goes on at the end', `u=a.test${END}x`],
    ['an address that is not encoded', `u${END}`],
    ['an address without a domain', `u=${END}`],
    ['a domain with a space', `u=a test${END}`],
    ['a domain that ends the line', `u=a.test\r\n${END}`],
    ['brackets that are not closed', `u=[127.0.0.9${END}`],
  ])('%s', (_, text) => {
    expect(decode(text)).toBeNull();
  });

  it('all of it, where Postfix knows no route', () => {
    expect(decode(`u=a.test${END}`, aRoutedSnapshot(withDomain({})))).toBeNull();
    const unnumbered = aRoutedSnapshot(withDomain({}, { routes: ROUTES }), { numbered: [] });
    expect(decode(`u=a.test${END}`, unnumbered)).toBeNull();
  });

  it('what is beside a decoded one: an unknown label, quotes that are no opening ones, octets of all kinds', () => {
    const octets = String.fromCharCode(...Array.from({ length: 256 }, (_, index) => index));
    const unknown = 'u=a.test@r9-00000000.route.postern.internal';
    expect(decode(`${octets} ${unknown} u=a.test${END} ${octets}`)).toBe(`${octets} ${unknown} u@a.test ${octets}`);
    expect(decode(String.raw`<"x\"u=a.test"${END}>`)).toBe(String.raw`<"x\"u"@a.test>`);
    expect(decode(`u=a.test"${END}`)).toBe('u"@a.test');
    expect(decode(`"u=a.test${END},v=b.test"${END}`)).toBe('"u@a.test,v"@b.test');
  });
});

describe('hostile text', () => {
  const MEBIOCTET = 1_048_576;
  const fill = (piece: string): string => piece.repeat(Math.ceil(MEBIOCTET / piece.length)).slice(0, MEBIOCTET);
  const nearly = END.slice(0, -1);

  it.each([
    ['signs of equality', '='],
    ['equal letters', 'a='],
    ['a run after one sign', `=${'a'.repeat(MEBIOCTET)}`],
    ['signs of xtext', '+3D'],
    ['signs of xtext in a run', '+3Da'],
    ['halves of xtext', '+3'],
    ['at-signs', '@'],
    ['labels without end', `=a@${'a'.repeat(63)}`],
    ['brackets', '=['],
    ['literals without end', '=[a'],
    ['quotes', '"'],
    ['quotes before at-signs', '=a"@'],
    ['nearly encoded', `u=a.test${nearly}`],
    ['nearly encoded xtext', `u+3Da.test${nearly}`],
    ['unknown labels', 'u=a.test@r9-00000000.route.postern.internal'],
    ['encoded', `u=a.test${END}`],
    ['encoded with quotes', `u=a.test"${END}`],
    ['encoded with atoms before them', `${'u'.repeat(9_999)}=a.test"${END}`],
  ])('%s: the time grows as the text does', (_, piece) => {
    const [half, whole] = [fill(piece).slice(0, MEBIOCTET / 2), fill(piece)];
    const timed = (text: string): number => {
      const times = [0, 1, 2].map(() => {
        const begun = performance.now();
        decode(text);
        return performance.now() - begun;
      });
      return Math.min(...times);
    };
    timed(half);
    // Twice the text, with room for a busy machine: four times as long would be the square.
    expect(timed(whole)).toBeLessThan(3.2 * timed(half) + 20);
    expect(timed(whole)).toBeLessThan(500);
  });
});
