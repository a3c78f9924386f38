/**
 * From "saved" to "live": waits until a running Postfix must have the new tables, reloads it where it does not look by
 * itself, and asks the table in place once more. Never writes a table.
 *
 * Tried on Postfix 3.7: trivial-rewrite(8) looks at its indexed tables every 10 s and starts again when one was
 * replaced; text and regexp tables are read at the start of a process only; a reload ends all of them at once.
 * Source: Postfix DATABASE_README; postfix(1).
 */
import type { Log } from '../../services/index.ts';
import type { PostfixCommands } from './commands.ts';
import type { MapWriterTiming } from './types.ts';

/** A table in place that Postfix may not have yet. */
export type Unsettled = {
  readonly name: string;
  readonly needsReload: boolean;
  /** How long ago it was replaced. */
  readonly ageMs: number;
  /** Asks the table in place. Errors: an Error that says what is wrong with it. */
  verify(): Promise<void>;
  /** Called when Postfix was reloaded, or stopped, after the table was replaced. */
  reloaded(): Promise<void>;
};

/** Times are of performance.now(): the clock on the wall may be set. */
type Waiting = Unsettled & {
  readonly replacedAt: number;
  /** When Postfix was reloaded after the table was replaced. */
  reloadedAt: number | null;
  /** Postfix was seen not to run after the table was replaced: when it runs, it has read it. */
  wasStopped: boolean;
};

/** Whom to tell. */
export type SettlingEvents = { onLive(name: string): void; onWaiting(name: string, reason: string): void };

type Parts = {
  readonly commands: PostfixCommands;
  readonly log: Log;
  readonly timing: MapWriterTiming;
  readonly events: SettlingEvents;
};

/** Never looks more often than this. */
const SOONEST_MS = 20;

/** The tables that are on their way. */
export class Settling {
  readonly #parts: Parts;
  readonly #waiting = new Map<string, Waiting>();
  #timer: NodeJS.Timeout | null = null;
  #step: Promise<void> | null = null;
  #isStopped = false;
  #lastReload = -Infinity;
  #lastFailure: string | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  has(name: string): boolean {
    return this.#waiting.has(name);
  }

  /** Follows a table, in place of an older one of that name. */
  add(table: Unsettled): void {
    this.#waiting.set(table.name, {
      ...table,
      replacedAt: performance.now() - table.ageMs,
      reloadedAt: null,
      wasStopped: false,
    });
    this.#parts.events.onWaiting(table.name, this.#reason(table.needsReload));
  }

  /** Looks at all of them now; resolves when that is done. Never throws. */
  async look(): Promise<void> {
    await this.#step;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isStopped || this.#waiting.size === 0) return;
    this.#step ??= this.#lookAtAll().finally(() => {
      this.#step = null;
    });
    await this.#step;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#step;
  }

  async #lookAtAll(): Promise<void> {
    let delayMs = this.#parts.timing.retryMs;
    // What is replaced while Postfix is asked or reloaded may be read before or after: its turn is the next one.
    const tables = [...this.#waiting.values()];
    try {
      const mattersWhether = tables.some(({ needsReload }) => needsReload);
      const isStopped = mattersWhether && (await this.#parts.commands.isRunning()) === false;
      if (isStopped) this.#postfixIsStopped(tables);
      else await this.#reloadIfNeeded(tables);
      await this.#settle(tables, isStopped);
      delayMs = Math.max(this.#untilNext(isStopped), SOONEST_MS);
    } catch (error) {
      this.#failed([...this.#waiting.keys()], error);
    }
    if (this.#isStopped || this.#waiting.size === 0) return;
    // Waiting for Postfix is no reason to keep a process alive.
    this.#timer = setTimeout(() => void this.look(), delayMs).unref();
  }

  #postfixIsStopped(tables: readonly Waiting[]): void {
    for (const table of tables) {
      if (!table.needsReload) continue;
      table.wasStopped = true;
      this.#parts.events.onWaiting(table.name, 'Postfix is not running; it reads the table when it starts');
    }
  }

  async #reloadIfNeeded(tables: readonly Waiting[]): Promise<void> {
    const { commands, log, timing } = this.#parts;
    const needing = tables.filter((table) => table.needsReload && table.reloadedAt === null && !table.wasStopped);
    if (needing.length === 0) return;
    if (performance.now() < this.#lastReload + timing.reloadEveryMs) return;
    this.#lastReload = performance.now();
    try {
      await commands.reload();
    } catch (error) {
      this.#failed(
        needing.map(({ name }) => name),
        error,
      );
      return;
    }
    this.#lastFailure = null;
    const reloadedAt = performance.now();
    for (const table of tables) table.reloadedAt = reloadedAt;
    log.info('postfix reloaded', { maps: needing.map(({ name }) => name) });
    for (const table of tables) await table.reloaded();
  }

  async #settle(tables: readonly Waiting[], isStopped: boolean): Promise<void> {
    for (const table of tables) {
      if (this.#visibleAt(table, isStopped) > performance.now()) continue;
      try {
        await table.verify();
        if (table.wasStopped) await table.reloaded();
      } catch (error) {
        this.#failed([table.name], error);
        continue;
      }
      // It may have been replaced while it was asked.
      if (this.#waiting.get(table.name) !== table) continue;
      this.#waiting.delete(table.name);
      this.#parts.events.onLive(table.name);
    }
  }

  /** From when on every process of Postfix answers with the new table; infinite while nobody can say. */
  #visibleAt({ needsReload, replacedAt, reloadedAt, wasStopped }: Waiting, isStopped: boolean): number {
    if (wasStopped) return isStopped ? Infinity : replacedAt;
    const { noticeMs, afterReloadMs } = this.#parts.timing;
    const byItself = needsReload ? Infinity : replacedAt + noticeMs;
    return reloadedAt === null ? byItself : Math.min(byItself, reloadedAt + afterReloadMs);
  }

  #untilNext(isStopped: boolean): number {
    const { timing } = this.#parts;
    const now = performance.now();
    const delays = [...this.#waiting.values()].map((table) => {
      const visibleAt = this.#visibleAt(table, isStopped);
      if (visibleAt === Infinity) return isStopped ? timing.retryMs : this.#lastReload + timing.reloadEveryMs - now;
      return visibleAt > now ? visibleAt - now : timing.retryMs;
    });
    return Math.min(timing.retryMs, ...delays);
  }

  #failed(names: readonly string[], error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    for (const name of names) this.#parts.events.onWaiting(name, reason);
    // Said once, not at every attempt.
    if (reason !== this.#lastFailure) this.#parts.log.warn('maps not yet live', { maps: names, reason });
    this.#lastFailure = reason;
  }

  #reason(needsReload: boolean): string {
    const { noticeMs, reloadEveryMs } = this.#parts.timing;
    return needsReload
      ? `Postfix reads it after a reload, at most one in ${reloadEveryMs / 1_000} s`
      : `Postfix looks for a replaced table by itself, within ${noticeMs / 1_000} s`;
  }
}
