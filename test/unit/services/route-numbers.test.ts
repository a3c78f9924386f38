import { describe, expect, it } from 'vitest';
import { createHmac } from 'node:crypto';
import { knownRoutesOf, type RouteBook } from '../../../src/services/index.ts';
import type { KnownRoute } from '../../../src/snapshot/index.ts';
import { aSnapshot, withDomain } from '../../support/builders.ts';

const KEY = 'ab'.repeat(32);
const snapshot = aSnapshot(withDomain({}, { routes: { a: { host: '192.0.2.1' }, b: { host: '192.0.2.2' } } }));
const book = (numbers: Record<string, number>, key = KEY): RouteBook => ({
  key,
  numbers: new Map(Object.entries(numbers)),
});
const known = (of: RouteBook, services: string[] = []): Record<string, KnownRoute> =>
  Object.fromEntries(knownRoutesOf(snapshot, of, (service) => services.includes(service)));

describe('how Postfix knows routes', () => {
  it('by label, service and mark of the number, the first and the last keyed', () => {
    const hex = (text: string): string => createHmac('sha256', Buffer.from(KEY, 'hex')).update(text).digest('hex');
    expect(known(book({ 'acme/b': 7 }), ['postern-r7'])).toEqual({
      'acme/b': {
        number: 7,
        label: `r7-${hex('label 7').slice(0, 8)}`,
        service: 'postern-r7',
        mark: `r7-${hex('mark 7').slice(0, 32)}`,
        isInstalled: true,
      },
    });
  });

  it('not those that have no number, nor numbers that have no route any more', () => {
    expect(Object.keys(known(book({ 'acme/a': 1, 'acme/gone': 2, 'other/a': 3 })))).toEqual(['acme/a']);
  });

  it('a service is there only where Postfix has just that one', () => {
    const numbers = { 'acme/a': 1, 'acme/b': 10 };
    expect(known(book(numbers), ['postern-r10', 'postern'])).toMatchObject({
      'acme/a': { isInstalled: false },
      'acme/b': { isInstalled: true },
    });
  });

  it('another key gives other labels and marks, and so does another number', () => {
    const values = [
      known(book({ 'acme/a': 1 })),
      known(book({ 'acme/a': 2 })),
      known(book({ 'acme/a': 1 }, 'cd'.repeat(32))),
    ];
    const secret = values.flatMap((each) =>
      [each['acme/a']!.label, each['acme/a']!.mark].map((text) => text.replace(/^r\d+-/, '')),
    );
    expect(new Set(secret).size).toBe(6);
    for (const each of values) {
      expect(each['acme/a']!.label).toMatch(/^r[12]-[0-9a-f]{8}$/);
      expect(each['acme/a']!.mark).toMatch(/^r[12]-[0-9a-f]{32}$/);
    }
  });
});
