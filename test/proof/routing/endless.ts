/**
 * Mail without end through rules of every kind, while the settings change under it and Postern may be killed at any moment:
 * what was handed in, when, and which outcomes are right for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ground } from '../../support/ground.ts';
import { handIn, textOf, type Message, type Reply, type Way } from './mail.ts';
import {
  outcomeOf,
  type Envelope,
  type InboundRule,
  type Outcome,
  type OutboundRule,
  type OwnDomain,
  type World,
} from './model.ts';
import type { Chance } from './random.ts';

const organization = 'acme';
export const routes = ['first', 'second', 'archive', 'refusing', 'spare'].map((route) => `${organization}/${route}`);
const listed: ReadonlySet<string> = new Set(['alice', 'bob', 'eve', 'info']);

const inbound = (rule: Partial<InboundRule> & { readonly route: string }): InboundRule => ({
  mail: ['external'],
  recipients: ['existing'],
  alsoSave: false,
  suppressBounces: false,
  ...rule,
});
const outbound = (
  action: OutboundRule['action'],
  route: string,
  mail: OutboundRule['mail'] = ['external'],
): OutboundRule => ({
  mail,
  action,
  route,
});

type Rules = Partial<Pick<OwnDomain, 'existing' | 'inbound' | 'outbound' | 'detour'>>;

/** Rules that stay. */
const steady: Readonly<Record<string, Rules>> = {
  free: { existing: listed },
  plain: { inbound: [inbound({ mail: ['internal', 'external'], route: 'archive' })] },
  conditional: { inbound: [inbound({ route: 'archive' })] },
  saved: {
    existing: listed,
    inbound: [inbound({ recipients: ['existing', 'missing'], alsoSave: true, route: 'archive' })],
  },
  split: {
    existing: listed,
    inbound: [
      inbound({ mail: ['internal', 'external'], recipients: ['missing'], route: 'second' }),
      inbound({ suppressBounces: true, route: 'first' }),
    ],
  },
  out: { outbound: [outbound('change', 'first')] },
  copied: { outbound: [outbound('additionally', 'archive', ['internal', 'external'])] },
  both: { outbound: [outbound('change', 'first'), outbound('additionally', 'second')] },
  detoured: { existing: listed, detour: 'spare', inbound: [inbound({ route: 'first' })] },
  refused: { inbound: [inbound({ route: 'refusing' })] },
};

/** Rules that a version of the settings has: each stays for some versions, so that most mail knows just one. */
const changing = (version: number): Readonly<Record<string, Rules>> => {
  const isOdd = (every: number, shift = 0): boolean => Math.floor((version + shift) / every) % 2 === 1;
  return {
    moving: { inbound: [inbound({ route: isOdd(4) ? 'second' : 'first' })] },
    saving: { inbound: [inbound({ route: 'archive', alsoSave: isOdd(4, 1) })] },
    leaving: { outbound: [outbound('change', isOdd(4, 2) ? 'second' : 'first')] },
    ending: { inbound: isOdd(4, 3) ? [] : [inbound({ route: 'first' })] },
    // A line of the table, which is looked up until the moment of delivery.
    line: { inbound: [lineRule(isOdd(20))] },
    // No mail goes there: an edit that changes nothing for any.
    noise: { inbound: version % 3 === 0 ? [] : [inbound({ route: 'spare', alsoSave: version % 3 === 1 })] },
  };
};

const lineRule = (isSecond: boolean): InboundRule =>
  inbound({ mail: ['internal', 'external'], route: isSecond ? 'second' : 'first' });

const nameOf = (key: string): string => `${key}.example`;

/** The world as a version of the settings has it. */
export function worldOf(version: number): World {
  const domains = Object.entries({ ...steady, ...changing(version) }).map(([key, rules]): [string, OwnDomain] => [
    nameOf(key),
    {
      organization,
      existing: null,
      aliases: { info: `bob@${nameOf(key)}` },
      inbound: [],
      outbound: [],
      detour: null,
      ...rules,
    },
  ]);
  return {
    domains: Object.fromEntries(domains),
    servers: Object.fromEntries(routes.map((place) => [place, place.endsWith('/refusing') ? 'refusing' : 'up'])),
  };
}

/** Worlds that a message may meet that met these versions: a line of the table may be either, for it is looked up late. */
function worldsOf(from: number, to: number): World[] {
  const versions = Array.from({ length: to - from + 1 }, (_, at) => worldOf(from + at));
  const line = nameOf('line');
  return versions.flatMap((world) =>
    [false, true].map((isSecond) => {
      const own = world.domains[line];
      if (own === undefined) throw new Error('no domain of a line');
      return { ...world, domains: { ...world.domains, [line]: { ...own, inbound: [lineRule(isSecond)] } } };
    }),
  );
}

/** Which versions may have been in force, and when. */
export class Versions {
  /** A written file acts within a second; this leaves room for a busy machine. */
  static readonly settleMs = 5_000;
  readonly #writtenAt: number[] = [performance.now()];
  #startedAt = performance.now();

  /** The newest that was written. */
  get newest(): number {
    return this.#writtenAt.length - 1;
  }

  /** Call this before the file is written: from then on the version may be in force. */
  write(): number {
    this.#writtenAt.push(performance.now());
    return this.newest;
  }

  /** Call this before Postern starts, which reads the newest file. */
  starts(): void {
    this.#startedAt = performance.now();
  }

  /** The oldest that may be in force now. */
  get oldest(): number {
    const now = performance.now();
    const isOver = (at: number): boolean => at < now - Versions.settleMs || at < this.#startedAt;
    return this.#writtenAt.findLastIndex(isOver);
  }
}

/** A message on its way in, and what is right for it. */
export interface Sent {
  readonly message: Message;
  readonly outcomes: readonly Outcome[];
}

const senders: readonly (readonly [Way, string | null, Envelope['trustedFor']])[] = [
  ['stranger', 'stranger@remote.example', 'none'],
  ['stranger', 'stranger@remote.example', 'none'],
  ['bounce', null, 'none'],
  ['forger', 'alice@conditional.example', 'none'],
  // None whose own inbound rules change: a bounce to it may be made much later.
  ...['out', 'copied', 'both', 'leaving', 'conditional', 'saved', 'split', 'detoured'].map(
    (key): [Way, string, 'all'] => ['network', `alice@${nameOf(key)}`, 'all'],
  ),
  ['sendmail', `alice@${nameOf('both')}`, 'all'],
];

const nothing: Outcome = { refused: [], arrived: [], bounces: [] };
const retryMs = 150;

export class Flow {
  readonly sent: Sent[] = [];
  /** Answers that no outcome allows. */
  readonly wrong: string[] = [];
  /** How often something was refused for now, and how often no reply came. */
  deferrals = 0;
  lostReplies = 0;
  readonly prefix: string;
  readonly #ground: Ground;
  readonly #versions: Versions;
  readonly #deal: () => Omit<Message, 'id' | 'text'>;
  #count = 0;

  constructor(ground: Ground, versions: Versions, chance: Chance) {
    this.#ground = ground;
    this.#versions = versions;
    this.prefix = `endless-${chance.seed}`;
    this.#deal = dealer(chance);
  }

  /** Hands one message in, as often as it takes. Errors: it is not taken for too long. */
  async send(): Promise<void> {
    const draft = this.#deal();
    const deadline = performance.now() + 120_000;
    for (let id = this.#nextId(); ;) {
      const message: Message = { ...draft, id, text: textOf(id) };
      const from = this.#versions.oldest;
      const outcomes = (): Outcome[] =>
        distinct(worldsOf(from, this.#versions.newest).map((world) => outcomeOf(world, message.envelope)));
      const reply = await this.#once(message);
      if (reply === 'lost') {
        // It may have been taken as a whole; the next attempt is another message.
        this.lostReplies += 1;
        this.sent.push({ message, outcomes: [...outcomes(), nothing] });
        id = this.#nextId();
      } else if (isDeferred(reply)) {
        this.deferrals += 1;
      } else {
        this.#note(message, reply, outcomes());
        return;
      }
      if (performance.now() > deadline) throw new Error(`${id} is not taken: ${JSON.stringify(reply)}`);
      await sleep(retryMs);
    }
  }

  async #once(message: Message): Promise<Reply | 'lost'> {
    try {
      return await handIn(this.#ground, message, {});
    } catch {
      return 'lost';
    }
  }

  #note(message: Message, reply: Reply, outcomes: readonly Outcome[]): void {
    const refusals = message.envelope.recipients.filter((_, at) => reply.recipients[at]?.startsWith('550 5.1.1 '));
    const right = outcomes.filter(({ refused }) => message.way === 'sendmail' || refused.join() === refusals.join());
    const isAll = refusals.length === message.envelope.recipients.length;
    if (right.length === 0 || (!isAll && reply.end?.startsWith('250 ') !== true)) {
      this.wrong.push(`${message.id} ${JSON.stringify(message.envelope)}: ${JSON.stringify(reply)}`);
    }
    this.sent.push({ message, outcomes: right.length > 0 ? right : outcomes });
  }

  #nextId(): string {
    this.#count += 1;
    return `${this.prefix}-${this.#count}-end`;
  }
}

const isDeferred = ({ mail, recipients, end }: Reply): boolean =>
  [mail, ...recipients, end].some((text) => text?.startsWith('4'));

const distinct = (outcomes: readonly Outcome[]): Outcome[] => [
  ...new Map(outcomes.map((outcome) => [JSON.stringify(outcome), outcome])).values(),
];

/** Draws messages to 1 to 4 recipients in domains of every kind of rule. */
function dealer(chance: Chance): () => Omit<Message, 'id' | 'text'> {
  const domain = chance.deck(Object.keys({ ...steady, ...changing(0) }).filter((key) => key !== 'noise'));
  const sender = chance.deck(senders);
  const size = chance.deck([1, 2, 3, 4]);
  return () => {
    const [way, from, trustedFor] = sender();
    const canRelay = way === 'network' || way === 'sendmail';
    const recipients = new Set<string>();
    const home = from?.split('@')[1] ?? '';
    const somewhere = (): string => {
      if (!canRelay || chance.oneIn(2)) return nameOf(domain());
      return chance.oneIn(2) ? home : 'else.example';
    };
    for (const wanted = size(); recipients.size < wanted;) {
      const local = chance.pick(['bob', 'bob+tag', 'eve', 'info', way === 'sendmail' ? 'bob' : 'ghost']);
      recipients.add(`${local}@${somewhere()}`);
    }
    return { way, envelope: { sender: from, trustedFor, recipients: [...recipients] } };
  };
}
