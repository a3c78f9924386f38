/**
 * Keeps what DNS says of the gateways' MX while Postern serves: asked about at the start, when a gateway comes or
 * changes, and every hour, spread over the hour. Never on the way of a decision; a dead DNS costs nothing but the answer.
 * No outside source.
 */
import { sameIpSet, type Domain } from '../mail/index.ts';
import type { Snapshot } from '../snapshot/index.ts';
import { domainsWithGateway, explainGatewayMx, type DomainWithGateway, type GatewayMx } from './gateway-mx.ts';
import type { Clock, GatewayMeters, Log, MailHostResolver } from './ports.ts';

/** Looks after the gateways. */
export type GatewayHealth = {
  /** Takes up the gateways of the current settings; asks about the new and the changed ones. At once; never throws. */
  refresh(): void;
  /** What is known by now, by own domain. */
  states(): ReadonlyMap<Domain, GatewayMx>;
  /** Ends; what is still being asked about is forgotten. */
  stop(): void;
};

/** What it works with. */
export type GatewayHealthParts = {
  readonly current: () => Snapshot;
  readonly resolver: MailHostResolver;
  readonly meters: GatewayMeters;
  readonly clock: Clock;
  readonly log: Log;
  /** How long an answer counts, and how often it is looked which ones are old; milliseconds. */
  readonly limits?: { readonly everyMs: number; readonly lookMs: number };
};

/** How many own domains are asked about at once. */
const AT_ONCE = 4;
const LIMITS = { everyMs: 60 * 60_000, lookMs: 60_000 };
/** The golden ratio: its multiples spread evenly over the unit interval, however many there are. */
const SPREAD = 0.618_033_988_749_895;

type Entry = { readonly of: DomainWithGateway; dueAt: number; isWaiting: boolean; state: GatewayMx | null };

/** Makes it; nothing is asked before the first `refresh`. */
export function createGatewayHealth(parts: GatewayHealthParts): GatewayHealth {
  return new Health(parts);
}

class Health implements GatewayHealth {
  readonly #parts: GatewayHealthParts;
  readonly #limits: typeof LIMITS;
  readonly #entries = new Map<Domain, Entry>();
  #waiting: Entry[] = [];
  #asking = 0;
  #first = 0;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  /** Ends the look-ups that are under way: they would hold up the end of the process. */
  readonly #end = new AbortController();

  constructor(parts: GatewayHealthParts) {
    this.#parts = parts;
    this.#limits = { ...LIMITS, ...parts.limits };
  }

  refresh(): void {
    if (this.#isStopped) return;
    const wanted = domainsWithGateway(this.#parts.current());
    const domains = new Set(wanted.map(({ domain }) => domain));
    for (const domain of this.#entries.keys()) {
      if (domains.has(domain)) continue;
      this.#entries.delete(domain);
      this.#parts.meters.forgetGateway(domain);
    }
    for (const of of wanted) {
      const known = this.#entries.get(of.domain);
      if (known !== undefined && sameIpSet(known.of.gateway.ips, of.gateway.ips)) continue;
      this.#entries.set(of.domain, { of, dueAt: -Infinity, isWaiting: false, state: known?.state ?? null });
    }
    this.#timer ??= setInterval(() => {
      this.#look();
    }, this.#limits.lookMs).unref();
    this.#look();
  }

  states(): ReadonlyMap<Domain, GatewayMx> {
    const known = new Map<Domain, GatewayMx>();
    for (const [domain, { state }] of this.#entries) if (state !== null) known.set(domain, state);
    return known;
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#waiting = [];
    this.#entries.clear();
    this.#end.abort();
  }

  #look(): void {
    const now = this.#parts.clock.now();
    for (const entry of this.#entries.values()) {
      if (entry.isWaiting || entry.dueAt > now) continue;
      entry.isWaiting = true;
      this.#waiting.push(entry);
    }
    while (this.#asking < AT_ONCE && this.#waiting.length > 0) void this.#work();
  }

  /** Asks about one after the other until none waits. */
  async #work(): Promise<void> {
    this.#asking += 1;
    for (let entry = this.#waiting.shift(); entry !== undefined; entry = this.#waiting.shift()) {
      // One that was replaced or has gone meanwhile is not asked about.
      if (this.#isCurrent(entry)) await this.#ask(entry);
    }
    this.#asking -= 1;
  }

  async #ask(entry: Entry): Promise<void> {
    const { resolver, clock, log } = this.#parts;
    const isFirst = entry.dueAt === -Infinity;
    try {
      const state = await explainGatewayMx(entry.of, resolver, clock.now(), { end: this.#end.signal });
      if (this.#isCurrent(entry)) this.#keep(entry, state);
    } catch (error) {
      log.error('the MX of a gateway cannot be judged', { domain: entry.of.domain, err: error });
    }
    entry.isWaiting = false;
    // Those of one start are asked about again at different times, between half an interval and a whole one.
    const share = isFirst ? 0.5 + 0.5 * ((this.#first++ * SPREAD) % 1) : 1;
    entry.dueAt = clock.now() + this.#limits.everyMs * share;
  }

  #keep(entry: Entry, state: GatewayMx): void {
    const { meters, log } = this.#parts;
    const { domain, verdict, text } = state;
    const before = entry.state?.verdict ?? 'points';
    entry.state = state;
    meters.setGatewayMx(domain, verdict === 'unknown' ? null : verdict === 'points');
    if (verdict !== before) log.info('the MX of an own domain beside its inbound gateway', { domain, verdict, text });
  }

  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(entry.of.domain) === entry;
  }
}
