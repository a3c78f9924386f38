/** Messages for a world: drawn from a seed, and handed to Postfix as the one who sends them does. */
import type { Ground } from '../../support/ground.ts';
import { replyText } from '../../support/smtp-client.ts';
import { outcomeOf, type Envelope, type World } from './model.ts';
import type { Chance } from './random.ts';
import { organizations, serverOf, spareRoute } from './worlds.ts';

/** How a message comes in, and for whom it is trusted then. */
export const ways = [
  'stranger', // from outside
  'forger', // from outside, with a sender of ours
  'bounce', // from outside, with the null sender
  'network', // a client in mynetworks, with a sender of ours
  'network relay', // the same, with a sender of nobody's
  'user', // signed in
  'other user', // signed in, with an account of the other organization
  'route', // through the server of a route
  'sendmail', // sendmail(1)
] as const;
export type Way = (typeof ways)[number];

export interface Message {
  readonly id: string;
  readonly way: Way;
  readonly envelope: Envelope;
  readonly text: string;
}

/** The account of an organization, and its password. */
export const accountOf = (organization: string): string => `user@d0.${organization}.example`;
export const password = 'secret';

const kinds = ['bob', 'eve', 'Bob', 'info', 'bob+tag', 'ghost', 'ghost+tag', 'self', 'self'] as const;

/** Draws messages of all ways, to 1 to 5 recipients in three own domains of both organizations, and outside. */
export function messageDealer(chance: Chance, world: World, prefix: string): () => Message {
  const names = Object.keys(world.domains);
  const perOrganization = organizations.map((each) => ({
    organization: each,
    domain: chance.deck(names.filter((name) => world.domains[name]?.organization === each)),
  }));
  const way = chance.deck([...ways, 'network', 'user'] as const);
  const kind = chance.deck(kinds);
  const size = chance.deck([1, 2, 2, 3, 3, 4, 5]);
  let count = 0;
  return () => {
    count += 1;
    const how = way();
    const [own, other] = chance.oneIn(2) ? perOrganization : perOrganization.toReversed();
    if (own === undefined || other === undefined) throw new Error('two organizations are needed');
    const [home, near, far] = [own.domain(), own.domain(), other.domain()];
    const sender = senderOf(how, home, chance);
    const canRelay = !['stranger', 'forger', 'bounce'].includes(how);
    // Postfix takes addresses that differ in case for one, so there is one spelling of each.
    const recipients = new Map<string, string>();
    const add = (address: string): unknown => recipients.set(address.toLowerCase(), address);
    for (const wanted = size(); recipients.size < wanted;) {
      const local = kind();
      const domain = chance.pick([home, home, near, far, far, 'else.example']);
      if (local === 'self' && sender !== null && canRelay) add(sender);
      else if (domain !== 'else.example' || canRelay) add(`${local === 'self' ? 'eve' : local}@${domain}`);
    }
    const envelope: Envelope = {
      sender,
      trustedFor: trustOf(how, own.organization, other.organization),
      recipients: [...recipients.values()],
      ...(how !== 'sendmail' && chance.oneIn(8) && { isNotifyNever: true }),
    };
    const id = `${prefix}-${count}-end`;
    return {
      id,
      way: how,
      envelope: how === 'sendmail' ? withoutRefused(world, envelope) : envelope,
      text: textOf(id),
    };
  };
}

function senderOf(way: Way, home: string, chance: Chance): string | null {
  if (way === 'bounce') return null;
  if (way === 'stranger' || way === 'network relay') return 'stranger@remote.example';
  return `${chance.oneIn(4) ? 'alice+tag' : 'alice'}@${home}`;
}

function trustOf(way: Way, own: string, other: string): Envelope['trustedFor'] {
  switch (way) {
    case 'network':
    case 'network relay':
    case 'sendmail':
      return 'all';
    case 'user':
      return { organization: own };
    case 'other user':
      return { organization: other };
    default:
      return 'none';
  }
}

/** sendmail(1) is never answered at RCPT: who would be refused there is left out, and the sender stands in for nobody. */
function withoutRefused(world: World, envelope: Envelope): Envelope {
  const { refused } = outcomeOf(world, envelope);
  const left = envelope.recipients.filter((recipient) => !refused.includes(recipient));
  return { ...envelope, recipients: left.length > 0 ? left : [envelope.sender ?? 'stranger@remote.example'] };
}

/** Fields with odd spacing and folds, so that a change of any octet shows. */
export const textOf = (id: string): string =>
  [
    'From: Someone  <someone@remote.example>',
    'To: a list\t<list@remote.example>,',
    '\tanother@remote.example',
    'Date: Wed, 25 Nov 2026 01:01:01 +0000',
    `Message-ID: <${id}@remote.example>`,
    `Subject: ${id}`,
    'X-Odd:    four  spaces ',
    '',
    'hello',
    '.a dot',
    '',
  ].join('\r\n');

/** What was said to a message: to each recipient, and at its end; `mail` where MAIL was refused. */
export interface Reply {
  readonly mail?: string;
  readonly recipients: readonly string[];
  readonly end?: string;
}

/** Hands a message in once. Recipients that are refused are left out. */
export async function handIn(
  ground: Ground,
  message: Message,
  routes: Readonly<Record<string, string>>,
): Promise<Reply> {
  const { envelope, way, text } = message;
  const sender = envelope.sender ?? '';
  if (way === 'sendmail') {
    await ground.lab.sendmail(text.replaceAll('\r\n', '\n'), '-i', '-f', sender, '--', ...envelope.recipients);
    return { recipients: [], end: '250 sendmail' };
  }
  const isUser = way === 'user' || way === 'other user';
  const session = await ground.open(isUser ? 'submission' : 'smtp', sessionOf(message, routes));
  try {
    const mail = await session.mail(sender);
    if (mail.code !== 250) return { mail: replyText(mail), recipients: [] };
    const recipients: string[] = [];
    for (const recipient of envelope.recipients) {
      const rcpt = await session.rcpt(recipient, envelope.isNotifyNever === true ? 'NOTIFY=NEVER' : '');
      recipients.push(replyText(rcpt));
    }
    const isTaken = recipients.some((reply) => reply.startsWith('250 '));
    // What is refused for now is handed in again as a whole.
    if (!isTaken || recipients.some((reply) => reply.startsWith('4'))) return { recipients };
    return { recipients, end: replyText(await session.data(text)) };
  } finally {
    session.close();
  }
}

function sessionOf({ way, envelope }: Message, routes: Readonly<Record<string, string>>): object {
  const stranger = { client: '192.0.2.1' };
  const { trustedFor, sender } = envelope;
  switch (way) {
    case 'user':
    case 'other user':
      if (typeof trustedFor === 'string') throw new Error('a user is trusted for an organization');
      return { ...stranger, user: { name: accountOf(trustedFor.organization), password } };
    case 'route':
      return { client: serverOf(routes[`${organizationOf(sender)}/${spareRoute}`] ?? '').host };
    case 'network':
    case 'network relay':
      return {};
    default:
      return stranger;
  }
}

const organizationOf = (sender: string | null): string => sender?.split('.').at(-2) ?? '';
