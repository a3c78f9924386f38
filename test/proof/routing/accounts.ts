/** Accounts of what arrived, message by message, against what a model says: nothing lost, doubled, changed or elsewhere. */
import type { SinkMessage } from '../../support/smtp-sink.ts';
import type { Message } from './mail.ts';
import type { Bounce, Copy, Outcome } from './model.ts';

/** Servers with what they took, by place: "here" and "organization/route". */
export type Places = readonly (readonly [place: string, messages: readonly SinkMessage[]])[];

/** What is amiss with a message. */
export interface Difference {
  readonly id: string;
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/** One thing that may arrive, in each of the ways in which it may be said. */
type Expected = readonly string[];

const copyLine = (place: string, address: string, isTold: boolean): string =>
  `${place} gets ${address}${isTold ? '' : ', never told'}`;
const bounceLine = (place: string, address: string, about: string): string =>
  `${place} gets a bounce for ${address} about ${about}`;

const expectedOfCopy = ({ place, addresses, isTold }: Copy): Expected =>
  addresses.map((address) => copyLine(place, address, isTold));
const expectedOfBounce = ({ place, address, about }: Bounce): Expected[] =>
  about.map((each) => [bounceLine(place, address, each)]);

const expectedOf = ({ arrived, bounces }: Outcome): Expected[] => [
  ...arrived.map(expectedOfCopy),
  ...bounces.flatMap(expectedOfBounce),
];

/** Postfix's own field above the message, and those that Postern may add. */
const addedFields = /^(?:X-Postern-[\w-]+|Authentication-Results):/i;

/** The message as it was handed in: without what was added on the way. Gives the marks of routes as well. */
function stripped(content: string): { readonly text: string; readonly marks: readonly string[] } {
  const end = content.indexOf('\r\n\r\n');
  const fields = content.slice(0, end).split(/\r\n(?![ \t])/);
  const kept = fields.filter((field, at) => !(at < 3 && field.startsWith('Received: ')) && !addedFields.test(field));
  const marks = fields.filter((field) => field.startsWith('X-Postern-Route:'));
  return { text: kept.join('\r\n') + content.slice(end), marks };
}

/** What is wrong with a copy itself. */
function faultsOf(place: string, arrived: SinkMessage, message: Message): string[] {
  const { text, marks } = stripped(arrived.content.toString('latin1'));
  const faults: string[] = [];
  if (text !== message.text) faults.push(`the text was changed: ${JSON.stringify(text)}`);
  if (arrived.sender.address !== (message.envelope.sender ?? '')) {
    faults.push(`the sender is <${arrived.sender.address}>`);
  }
  if (marks.length !== (place === 'here' ? 0 : 1)) faults.push(`${marks.length} marks of routes`);
  return faults;
}

function linesOf(place: string, arrived: SinkMessage, message: Message): string[] {
  const content = arrived.content.toString('latin1');
  const isBounce = arrived.sender.address === '' && /^Content-Type: multipart\/report;/m.test(content);
  if (isBounce) {
    const about = [...content.matchAll(/^Original-Recipient: rfc822;\s*(\S+)\r$/gm)].map(([, address = '']) => address);
    const encoded = /@r\d+-[0-9a-f]{8}\./.test(content) ? ['(and shows an encoded recipient)'] : [];
    return arrived.recipients.flatMap(({ address }) => [
      ...about.map((each) => bounceLine(place, address, each)),
      ...encoded.map((text) => `${place} gets a bounce for ${address} ${text}`),
    ]);
  }
  const faults = faultsOf(place, arrived, message).map((fault) => ` (${fault})`);
  return arrived.recipients.map(
    ({ address, parameters }) => copyLine(place, address, !parameters.includes('NOTIFY=NEVER')) + faults.join(''),
  );
}

/** Everything that arrived, by the id of its message; and what carries no id that is known. */
export class Arrivals {
  readonly #lines = new Map<string, string[]>();
  readonly stray: string[] = [];

  constructor(places: Places, messages: readonly Message[], prefix: string) {
    const known = new Map(messages.map((message) => [message.id, message]));
    const pattern = new RegExp(`^Subject: (${prefix}-\\d+-end)\\r$`, 'm');
    for (const [place, taken] of places) {
      for (const arrived of taken) {
        const [, id = ''] = pattern.exec(arrived.content.toString('latin1')) ?? [];
        const message = known.get(id);
        if (message === undefined) {
          const to = arrived.recipients.map(({ address }) => address).join(', ');
          this.stray.push(`${place} got a message of nobody's for ${to}`);
        } else this.#of(id).push(...linesOf(place, arrived, message));
      }
    }
  }

  /** Nothing where what arrived is exactly one of the outcomes, else how it differs from the first of them. */
  difference(id: string, outcomes: readonly Outcome[]): Difference | undefined {
    const lines = this.#of(id);
    const differences = outcomes.map((outcome) => ({ id, ...compare(expectedOf(outcome), lines) }));
    const isSame = ({ missing, unexpected }: Difference): boolean => missing.length + unexpected.length === 0;
    return differences.some(isSame) ? undefined : differences[0];
  }

  /** How many copies and bounces arrived of this message. */
  count(id: string): number {
    return this.#of(id).length;
  }

  #of(id: string): string[] {
    const lines = this.#lines.get(id) ?? [];
    this.#lines.set(id, lines);
    return lines;
  }
}

/** Takes from the lines one for each that is expected; those that may be said in one way only have the first choice. */
function compare(expected: readonly Expected[], lines: readonly string[]): Omit<Difference, 'id'> {
  const left = [...lines];
  const missing: string[] = [];
  for (const ways of expected.toSorted((a, b) => a.length - b.length)) {
    const at = left.findIndex((line) => ways.includes(line));
    if (at < 0) missing.push(ways.join(' or '));
    else left.splice(at, 1);
  }
  return { missing, unexpected: left };
}

const setsAsLists = (_: string, value: unknown): unknown => (value instanceof Set ? [...value] : value);

/** A table for people: what differs, with the seed, the message, and the settings of the domains that it is about. */
export function tableOf(
  differences: readonly Difference[],
  messages: readonly Message[],
  settings: (domain: string) => unknown,
  seed: number,
): string {
  const rows = differences.slice(0, 12).map((difference) => {
    const message = messages.find(({ id }) => id === difference.id);
    const { sender = '', recipients = [], isNotifyNever } = message?.envelope ?? {};
    const domains = new Set([sender ?? '', ...recipients].map((address) => address.split('@')[1] ?? ''));
    return [
      `${difference.id}: ${message?.way ?? ''} <${sender ?? ''}> to ${recipients.join(', ')}${isNotifyNever === true ? ' NOTIFY=NEVER' : ''}`,
      ...difference.missing.map((line) => `  missing     ${line}`),
      ...difference.unexpected.map((line) => `  unexpected  ${line}`),
      ...[...domains].flatMap((domain) => {
        const rules = settings(domain);
        return rules === undefined ? [] : [`  ${domain}  ${JSON.stringify(rules, setsAsLists)}`];
      }),
    ].join('\n');
  });
  return `seed ${seed}: ${differences.length} messages differ\n${rows.join('\n')}`;
}
