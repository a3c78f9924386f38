/** Shorthand of the milter tests: a session that has negotiated, and what it tells, as short text. */
import { Buffer } from 'node:buffer';
import { MilterSession, SMFIF } from '../../../../src/wire/milter/index.ts';
import type { MilterEvent, MilterSessionOptions, MilterWants } from '../../../../src/wire/milter/index.ts';
import { offer } from './mta.ts';

const ALL_ACTIONS = Object.values(SMFIF).reduce((all, flag) => all | flag, 0) & ~SMFIF.SETSYMLIST;

export type Setup = Partial<MilterWants> & Omit<MilterSessionOptions, 'wanted'> & { readonly offered?: Buffer };

/** A session that wants all actions over a unix socket, unless told otherwise. */
export function newSession(setup: Setup = {}): MilterSession {
  const { answers, maxPacketBytes, streamsBody = false, ...wanted } = setup;
  return new MilterSession({
    wanted: { actions: ALL_ACTIONS, transport: 'unix', ...wanted },
    streamsBody,
    ...(answers === undefined ? {} : { answers }),
    ...(maxPacketBytes === undefined ? {} : { maxPacketBytes }),
  });
}

/** ... that has agreed with an MTA of Postfix 3.7, or with the one whose offer is given. */
export function agreed(setup: Setup = {}): MilterSession {
  const session = newSession(setup);
  const [event] = session.receive(setup.offered ?? offer());
  if (event?.kind !== 'negotiated') throw new Error('not negotiated');
  return session;
}

export const feed = (session: MilterSession, ...packets: readonly Uint8Array[]): readonly MilterEvent[] =>
  session.receive(Buffer.concat(packets));

/** An event as text; `?` after its kind means that it owes a reply. */
export function shown(event: MilterEvent): string {
  const kind = `${event.kind}${event.owesReply ? '?' : ''}`;
  switch (event.kind) {
    case 'connect':
      return event.family === 'unknown'
        ? `${kind} ${event.hostname} unknown`
        : `${kind} ${event.hostname} ${event.family} ${event.address} ${event.port}`;
    case 'helo':
      return `${kind} ${event.name}`;
    case 'mail':
      return [kind, path(event.sender, event.isBracketed), ...event.args].join(' ');
    case 'rcpt':
      return [
        kind,
        path(event.recipient, event.isBracketed),
        ...event.args,
        ...(event.isRejected ? ['(rejected)'] : []),
      ].join(' ');
    case 'header':
      return `${kind} ${event.name}:${event.rawValue}${event.isExact ? '' : ' (not exact)'}`;
    case 'body':
      return `${kind} ${event.chunk.toString('latin1')}`;
    case 'unknown':
      return `${kind} ${event.command}`;
    case 'abort':
      return event.isImplicit ? `${kind} implicit` : kind;
    case 'notice':
      return `${kind} ${event.code}`;
    case 'fault':
      return `${kind} ${event.error.fault.code} at ${event.error.fault.offset}`;
    default:
      return kind;
  }
}

const path = (address: string, isBracketed: boolean): string => (isBracketed ? `<${address}>` : `"${address}"`);

export const tell = (session: MilterSession, ...packets: readonly Uint8Array[]): string[] =>
  feed(session, ...packets).map(shown);
