import { describe, expect, it } from 'vitest';
import { authservIdOf, dmarcPassDomain } from '../../../src/mail/index.ts';

describe('authservIdOf', () => {
  it.each([
    ['VER-02 plain', ' mx.example.com; dkim=pass', 'mx.example.com'],
    ['VER-02 other case and a version', ' MX.Example.COM 1; spf=pass', 'mx.example.com'],
    ['VER-02 quoted', ' "mx.example.com"; dkim=pass', 'mx.example.com'],
    ['VER-02 after a comment', ' (c) mx.example.com; dkim=pass', 'mx.example.com'],
    ['VER-02 another host', ' relay.other.example; dkim=pass', 'relay.other.example'],
    ['VER-02 a longer name', ' mx.example.com.evil.example; dkim=pass', 'mx.example.com.evil.example'],
    ['VER-02 quoted with pairs and other case', '"MX\\.example.c\\om"; none', 'mx.example.com'],
    ['VER-02 nested comments, with pairs and signs in them', '(a (b; \\) = ")) mx.example.com; none', 'mx.example.com'],
    ['VER-02 folded', '\n\tmx.example.com\n\t1;\n\tnone', 'mx.example.com'],
    ['VER-02 without results', 'mx.example.com', 'mx.example.com'],
    ['VER-02 a comment behind it, and no space', 'mx.example.com(x);none', 'mx.example.com'],
    ['VER-02 followed by what the grammar does not have', 'mx.example.com x y; dkim=pass', 'mx.example.com'],
    ['VER-02 a version with a slash', 'mx.example.com / 1; none', 'mx.example.com'],
  ])('%s', (_, value, id) => {
    expect(authservIdOf(value)).toBe(id);
  });

  it.each([
    ['empty', ''],
    ['white space', ' \n\t'],
    ['only a comment', '(mx.example.com)'],
    ['a comment that does not end', '(mx.example.com; dkim=pass'],
    ['a quoted string that does not end', '"mx.example.com; dkim=pass'],
    ['a result first', '; mx.example.com'],
    ['an equals sign first', '= mx.example.com'],
  ])('none: %s', (_, value) => {
    expect(authservIdOf(value)).toBeNull();
  });
});

describe('dmarcPassDomain', () => {
  it.each([
    ['plain', 'mx; dmarc=pass header.from=example.com'],
    ['among others', 'mx; spf=fail smtp.mailfrom=x@evil.example; dmarc=pass header.from=example.com; dkim=none'],
    ['as OpenDMARC writes it', 'mx; dmarc=pass (p=none dis=none) header.from=example.com'],
    ['as large providers write it', 'mx 1; dmarc=pass action=none header.from=Example.COM;compauth=pass reason=100'],
    ['with a version, spaces and a reason', 'mx; DMARC/1 = Pass reason="it; is=good" header.from = "example.com" x'],
    ['a mailbox', 'mx; dmarc=pass header.from=a@example.com'],
    ['folded, in a comment a semicolon', 'mx;\n\tdmarc=pass (a;b)\n\theader.from=example.com'],
    ['after one that failed for another domain', 'mx; dmarc=pass header.from=..; dmarc=pass header.from=example.com'],
  ])('passed: %s', (_, value) => {
    expect(dmarcPassDomain(value)).toBe('example.com');
  });

  it.each([
    ['nothing was done', 'mx; none'],
    ['no results', 'mx'],
    ['an empty field', ''],
    ['failed', 'mx; dmarc=fail header.from=example.com'],
    ['a word that only begins so', 'mx; dmarc=passed header.from=example.com'],
    ['another method', 'mx; xdmarc=pass header.from=example.com'],
    ['in a comment', 'mx; none (; dmarc=pass header.from=example.com)'],
    [
      'in a quoted local-part of the sender',
      'mx; spf=fail smtp.mailfrom="a; dmarc=pass header.from=example.com"@evil.example',
    ],
    ['the From domain only in the reason', 'mx; dmarc=pass reason="header.from=example.com"'],
    ['in place of the authserv-id', 'dmarc=pass header.from=example.com'],
    ['no From domain', 'mx; dmarc=pass'],
    ['no value', 'mx; dmarc=pass header.from='],
    ['no equals sign', 'mx; dmarc pass header.from=example.com'],
    ['a From domain without its equals sign', 'mx; dmarc=pass header.from example.com'],
    ['no domain name', 'mx; dmarc=pass header.from=[192.0.2.1]'],
    ['a quoted string that does not end', 'mx; dmarc=pass header.from="example.com'],
  ])('not passed: %s', (_, value) => {
    expect(dmarcPassDomain(value)).toBeNull();
  });

  it('the From domain of another sign in a quoted reason is not taken for it', () => {
    const value = 'mx; dmarc=pass reason="x header.from=example.com y" header.from=evil.example';
    expect(dmarcPassDomain(value)).toBe('evil.example');
  });
});
