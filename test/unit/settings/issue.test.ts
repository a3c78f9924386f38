import { describe, expect, it } from 'vitest';
import { fromPointer, Issues, nameOfPlace, toPointer } from '../../../src/settings/index.ts';

describe('JSON pointers', () => {
  it.each([
    [[], ''],
    [['a', 0, 'b'], '/a/0/b'],
    [['a/b', 'c~d', '~1', ''], '/a~1b/c~0d/~01/'],
  ])('%j is %s and back', (path, pointer) => {
    expect(toPointer(path)).toBe(pointer);
    expect(fromPointer(pointer)).toEqual(path.map(String));
  });
});

describe('the name of a place in a sentence', () => {
  it.each([
    ['', 'the document'],
    ['/version', 'version'],
    ['/organizations/acme/routes/x/port', 'port'],
    ['/organizations/acme/domains/example.com/allowedIps/2', 'allowedIps entry 3'],
    ['/organizations/acme/domains/example.com/tls/0/domains/9', 'domains entry 10'],
    ['/organizations/42', '42'],
    ['/organizations/42/routes/7', '7'],
    ['/organizations/acme/domains/123', '123'],
    ['/provider/sharedDomains/0', 'sharedDomains entry 1'],
    ['/trustedNetworks/0', 'trustedNetworks entry 1'],
    ['/7', '7'],
    ['/a~1b', 'a/b'],
    ['/a\nb', 'a<U+000A>b'],
  ])('%s is %s', (pointer, name) => {
    expect(nameOfPlace(pointer)).toBe(name);
  });
});

describe('collected issues', () => {
  it('tell errors from warnings, and say the same thing once', () => {
    const issues = new Issues();
    issues.warning(['a'], 'is odd');
    expect(issues.hasErrors).toBe(false);
    issues.error(['a'], 'is wrong');
    issues.error(['a'], 'is wrong');
    issues.error(['b'], 'is wrong');
    issues.errorAt('/b', 'is wrong');
    issues.errorAtKey(['c'], 'is unknown');
    expect(issues.hasErrors).toBe(true);
    expect(issues.list).toEqual([
      { severity: 'warning', pointer: '/a', message: 'is odd' },
      { severity: 'error', pointer: '/a', message: 'is wrong' },
      { severity: 'error', pointer: '/b', message: 'is wrong' },
      { severity: 'error', pointer: '/c', message: 'is unknown', atKey: true },
    ]);
  });

  it('are one line each, whatever was typed', () => {
    const issues = new Issues();
    issues.error(['a'], '"x\r\n\u001b[31m\u0085" is wrong');
    expect(issues.list[0]?.message).toBe('"x<U+000D><U+000A><U+001B>[31m<U+0085>" is wrong');
  });
});
