/**
 * What routing must do, as a reference that a person can read beside the manual: who gets which copy, which recipients are
 * refused, and who is told of a failure. It shares no code with Postern, and knows a message's first pass only: what a
 * route's server hands back is tested elsewhere.
 */

export type MailKind = 'internal' | 'external';
export type Existence = 'existing' | 'missing';

export interface InboundRule {
  readonly mail: readonly MailKind[];
  readonly recipients: readonly Existence[];
  readonly route: string;
  readonly alsoSave: boolean;
  readonly suppressBounces: boolean;
}

export interface OutboundRule {
  readonly mail: readonly MailKind[];
  readonly action: 'change' | 'additionally';
  readonly route: string;
}

export interface OwnDomain {
  readonly organization: string;
  /** Local parts that exist, aliases included; null: who exists is not said, so everyone does. */
  readonly existing: ReadonlySet<string> | null;
  /** Postfix's aliases of this domain: local part to address. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly inbound: readonly InboundRule[];
  readonly outbound: readonly OutboundRule[];
  /** The route of `internalThroughGateway`. */
  readonly detour: string | null;
}

/**
 * The server of a route: takes all; takes all slowly; does not answer, so that its mail waits; did not answer until its mail
 * was too old; refuses every recipient; refuses every message.
 */
export type ServerState = 'up' | 'slow' | 'down' | 'gone' | 'refusing' | 'refusing-data';

export interface World {
  readonly domains: Readonly<Record<string, OwnDomain>>;
  /** By "organization/route". */
  readonly servers: Readonly<Record<string, ServerState>>;
}

export interface Envelope {
  readonly sender: string | null;
  /** The own domains that the client is trusted for: those of one organization, all, or none. */
  readonly trustedFor: { readonly organization: string } | 'all' | 'none';
  readonly recipients: readonly string[];
  /** The client asked for no bounces (NOTIFY=NEVER). */
  readonly isNotifyNever?: boolean;
}

/** A copy that arrives, or that its server refuses. */
export interface Copy {
  /** "here" (its own mailbox, or the world outside), or "organization/route". */
  readonly place: string;
  /** The recipient as the server sees it; more than one where each of them is right. */
  readonly addresses: readonly string[];
  /** The recipient as the sender wrote it. */
  readonly writtenTo: string;
  /** Whether a failure of this copy is told. */
  readonly isTold: boolean;
}

/** That somebody was told of failures: a bounce arrived at this place, under this address, about these recipients. */
export interface Bounce {
  readonly place: string;
  readonly address: string;
  readonly about: readonly string[];
}

export interface Outcome {
  /** Refused at RCPT, each with 550 5.1.1. */
  readonly refused: readonly string[];
  readonly arrived: readonly Copy[];
  readonly bounces: readonly Bounce[];
}

const partsOf = (address: string): { local: string; domain: string } => {
  const at = address.lastIndexOf('@');
  return { local: address.slice(0, at), domain: address.slice(at + 1).toLowerCase() };
};

type Fate = 'arrives' | 'waits' | 'fails';

const fates: Readonly<Record<ServerState, Fate>> = {
  up: 'arrives',
  slow: 'arrives',
  down: 'waits',
  gone: 'fails',
  refusing: 'fails',
  'refusing-data': 'fails',
};

const isTrusted = ({ trustedFor }: Envelope, own: OwnDomain): boolean =>
  trustedFor === 'all' || (trustedFor !== 'none' && trustedFor.organization === own.organization);

/** The sender's own domain, where its client is trusted for it. */
function trustedSender(world: World, envelope: Envelope): { name: string; own: OwnDomain } | undefined {
  if (envelope.sender === null) return undefined;
  const name = partsOf(envelope.sender).domain;
  const own = world.domains[name];
  return own !== undefined && isTrusted(envelope, own) ? { name, own } : undefined;
}

/** Internal: sender and recipient in the same own domain, and the client is trusted. */
const kindOf = (world: World, envelope: Envelope, recipient: string): MailKind =>
  trustedSender(world, envelope)?.name === partsOf(recipient).domain ? 'internal' : 'external';

function existenceOf(own: OwnDomain, recipient: string): Existence {
  const bare = partsOf(recipient).local.split('+')[0]?.toLowerCase() ?? '';
  const isThere = own.existing === null || own.existing.has(bare) || bare === 'postmaster';
  return isThere ? 'existing' : 'missing';
}

/** The first inbound rule that is for this mail and this recipient. */
function inboundRule(world: World, envelope: Envelope, recipient: string): InboundRule | undefined {
  const own = world.domains[partsOf(recipient).domain];
  const kind = kindOf(world, envelope, recipient);
  return own?.inbound.find((rule) => rule.mail.includes(kind) && rule.recipients.includes(existenceOf(own, recipient)));
}

/** The copies of one recipient: gateway detour, else outbound change, else inbound rule, else here. */
function copiesOf(world: World, envelope: Envelope, recipient: string): Copy[] {
  const isTold = envelope.isNotifyNever !== true;
  const at = (organization: string, route: string, more: Partial<Copy> = {}): Copy => ({
    place: `${organization}/${route}`,
    addresses: [recipient],
    writtenTo: recipient,
    isTold,
    ...more,
  });
  const { local, domain } = partsOf(recipient);
  const own = world.domains[domain];
  const kind = kindOf(world, envelope, recipient);
  const [bare = '', ...extension] = local.split('+');
  const alias = own?.aliases[bare];
  // Postfix's aliases keep an extension.
  const target = alias?.replace('@', ['', ...extension].join('+') + '@') ?? recipient;
  const here: Copy = { place: 'here', addresses: [target], writtenTo: recipient, isTold };

  if (own !== undefined && kind === 'internal' && own.detour !== null) return [at(own.organization, own.detour)];

  const from = trustedSender(world, envelope)?.own;
  const change = from?.outbound.find((rule) => rule.action === 'change' && rule.mail.includes(kind));
  if (from !== undefined && change !== undefined) return [at(from.organization, change.route)];

  const rule = inboundRule(world, envelope, recipient);
  if (own === undefined || rule === undefined) return [here];
  // A rule that asks for nothing but the recipient is a line of the table, which Postfix looks up behind its aliases.
  const isLine = rule.mail.length === 2 && !rule.alsoSave && !rule.suppressBounces;
  const there = at(own.organization, rule.route, {
    isTold: isTold && !rule.suppressBounces,
    addresses: isLine && target !== recipient ? [recipient, target] : [recipient],
  });
  return rule.alsoSave && existenceOf(own, recipient) === 'existing' ? [here, there] : [there];
}

/**
 * A recipient that does not exist, where it would be delivered here; by a gateway's detour it comes back as external mail.
 * Postfix, which has a list of the same recipients and asks no sender, refuses those too that no rule for missing recipients
 * of its domain can take.
 */
function isRefused(world: World, envelope: Envelope, recipient: string): boolean {
  const own = world.domains[partsOf(recipient).domain];
  if (own === undefined || existenceOf(own, recipient) === 'existing') return false;
  const forMissing = own.inbound.filter(({ recipients }) => recipients.includes('missing'));
  if (own.detour !== null && kindOf(world, envelope, recipient) === 'internal') {
    return !forMissing.some(({ mail }) => mail.includes('external'));
  }
  const isTaken = copiesOf(world, envelope, recipient).every(({ place }) => place !== 'here');
  return !isTaken || forMissing.length === 0;
}

/** One extra recipient a rule: the sender's own address at the route, never told of. */
function extraCopies(world: World, envelope: Envelope, recipients: readonly string[]): Copy[] {
  const from = trustedSender(world, envelope)?.own;
  const { sender } = envelope;
  if (from === undefined || sender === null) return [];
  const kinds = new Set(recipients.map((recipient) => kindOf(world, envelope, recipient)));
  return from.outbound
    .filter(({ action, mail }) => action === 'additionally' && mail.some((kind) => kinds.has(kind)))
    .map(({ route }) => ({
      place: `${from.organization}/${route}`,
      addresses: [sender],
      writtenTo: sender,
      isTold: false,
    }));
}

/** Each route's server gets each recipient once; a copy that is told stays told. */
function onePerRoute(copies: readonly Copy[]): Copy[] {
  const kept: Copy[] = [];
  for (const copy of copies) {
    const isKept = kept.some(
      ({ place, writtenTo }) => place !== 'here' && place === copy.place && writtenTo === copy.writtenTo,
    );
    if (!isKept) kept.push(copy);
  }
  return kept;
}

function fateOf({ servers }: World, { place }: Copy): Fate {
  if (place === 'here') return 'arrives';
  const state = servers[place];
  if (state === undefined) throw new Error(`the world has no server ${place}`);
  return fates[state];
}

/** What must become of one message. Where nothing fits all recipients are refused and nothing arrives. */
export function outcomeOf(world: World, envelope: Envelope): Outcome {
  const refused = envelope.recipients.filter((recipient) => isRefused(world, envelope, recipient));
  const taken = envelope.recipients.filter((recipient) => !refused.includes(recipient));
  const own = taken.flatMap((recipient) => copiesOf(world, envelope, recipient));
  const copies = onePerRoute([...own, ...extraCopies(world, envelope, taken)]);
  const failed = copies.filter((copy) => fateOf(world, copy) === 'fails' && copy.isTold);
  return {
    refused,
    arrived: copies.filter((copy) => fateOf(world, copy) === 'arrives'),
    bounces: bouncesTo(
      world,
      envelope.sender,
      failed.map(({ writtenTo }) => writtenTo),
    ),
  };
}

/** A bounce is mail of the null sender, from this host, to the sender: it has a way of its own, and no bounce. */
function bouncesTo(world: World, sender: string | null, about: readonly string[]): Bounce[] {
  if (sender === null || about.length === 0) return [];
  const { arrived } = outcomeOf(world, { sender: null, trustedFor: 'all', recipients: [sender] });
  return arrived.map(({ place, addresses: [address = ''] }) => ({ place, address, about }));
}
