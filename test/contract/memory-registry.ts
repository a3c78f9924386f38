/** Route numbers in memory: for tests of what rests on this port. */
import type { RouteBook, RouteRegistry } from '../../src/services/index.ts';

export class MemoryRegistry implements RouteRegistry {
  #book: RouteBook;
  /** Where set, reading and assigning fail with it. */
  fault: Error | null = null;
  /** How often something was remembered. */
  writes = 0;

  constructor(key = '0123456789abcdef'.repeat(4)) {
    this.#book = { key, numbers: new Map() };
  }

  read(): Promise<RouteBook | null> {
    if (this.fault !== null) return Promise.reject(this.fault);
    return Promise.resolve(this.#book.numbers.size === 0 ? null : this.#book);
  }

  async assign(names: readonly string[]): Promise<RouteBook> {
    await this.read();
    const fresh = [...new Set(names)].filter((name) => !this.#book.numbers.has(name));
    if (fresh.length === 0) return this.#book;
    const first = this.#book.numbers.size + 1;
    const numbers = new Map([
      ...this.#book.numbers,
      ...fresh.map((name, index): [string, number] => [name, first + index]),
    ]);
    this.#book = { ...this.#book, numbers };
    this.writes += 1;
    return this.#book;
  }
}
