/** What every RouteRegistry keeps to. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRouteRegistry } from '../../src/adapters/route-registry/index.ts';
import type { RouteRegistry } from '../../src/services/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MemoryRegistry } from './memory-registry.ts';

const registries: Readonly<Record<string, () => Promise<RouteRegistry>>> = {
  'a file': async () => createRouteRegistry(join(await temporaryDirectory(), 'state')),
  memory: () => Promise.resolve(new MemoryRegistry()),
};

const numbered = (...names: string[]): Map<string, number> => new Map(names.map((name, index) => [name, index + 1]));

describe.each(Object.entries(registries))('a registry of routes: %s', (_, open) => {
  it('knows nothing at first, and after that what was assigned', async () => {
    const registry = await open();
    expect(await registry.read()).toBeNull();
    const book = await registry.assign(['acme/dlp', 'acme/archive']);
    expect(book.numbers).toEqual(numbered('acme/dlp', 'acme/archive'));
    expect(book.key).toMatch(/^[0-9a-f]{64}$/);
    expect(await registry.read()).toEqual(book);
  });

  it('no names is nothing to remember, but the key stays', async () => {
    const registry = await open();
    const { key, numbers } = await registry.assign([]);
    expect(numbers.size).toBe(0);
    expect(await registry.read()).toBeNull();
    expect(await registry.assign(['acme/dlp'])).toEqual({ key, numbers: numbered('acme/dlp') });
  });

  it('a name keeps its number, though the route is gone, and no other gets it', async () => {
    const registry = await open();
    const { key } = await registry.assign(['acme/a', 'acme/b']);
    await registry.assign(['acme/c']);
    expect(await registry.assign(['acme/b', 'acme/d', 'acme/a', 'acme/d'])).toEqual({
      key,
      numbers: numbered('acme/a', 'acme/b', 'acme/c', 'acme/d'),
    });
  });

  it('names differ by case, and by organization; any text is one', async () => {
    const registry = await open();
    const names = ['acme/a', 'acme/A', 'other/a', '__proto__', 'constructor', '7'];
    const { numbers } = await registry.assign(names);
    expect(names.map((name) => numbers.get(name))).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await registry.read())?.numbers).toEqual(numbers);
  });

  it('what was given out does not change with what comes later', async () => {
    const registry = await open();
    const first = await registry.assign(['acme/a']);
    await registry.assign(['acme/b']);
    expect(first.numbers).toEqual(numbered('acme/a'));
  });

  it('of many at the same time each has its number, and all hear the same of one name', async () => {
    const registry = await open();
    const books = await Promise.all(
      Array.from({ length: 12 }, (__, n) => registry.assign(['acme/shared', `acme/${n}`])),
    );
    const numbers = (await registry.read())?.numbers ?? new Map<string, number>();
    expect([...numbers.values()].sort((a, b) => a - b)).toEqual(Array.from({ length: 13 }, (__, n) => n + 1));
    for (const [n, book] of books.entries()) {
      for (const name of ['acme/shared', `acme/${n}`]) expect(book.numbers.get(name)).toBe(numbers.get(name));
    }
    expect(new Set(books.map(({ key }) => key)).size).toBe(1);
  });
});
