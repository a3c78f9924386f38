/**
 * What an MTA and this milter agree on.
 * Never asks for what was not offered, and never runs with less than what is needed.
 * Source: libmilter, engine.c (st_optionneg); Postfix milter8.c.
 */
import type { Buffer } from 'node:buffer';
import type { Offer } from './commands.ts';
import {
  SMFIF,
  SMFIP,
  SMFIR,
  SMFI_VERSION,
  allActions,
  allProtocol,
  macroStages,
  maxData,
  type MacroStage,
} from './constants.ts';
import { LocalProtocolError } from './errors.ts';
import { level } from './macros.ts';
import { joinParts, packetHead, u32 } from './packet.ts';

/** The events of which the flags decide whether they come and whether they are answered. */
export type AnswerableEvent =
  'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'header' | 'endOfHeaders' | 'body' | 'unknown';

/** What the milter wants of every MTA. */
export type MilterWants = {
  /** SMFIF flags, all needed: an MTA that lacks one is refused. SETSYMLIST comes by itself with `macros`. */
  readonly actions: number;
  /** Further SMFIF flags, each taken if offered: see the agreed `actions` before one is used. None when absent. */
  readonly optionalActions?: number;
  /** Further SMFIP flags, each taken if offered: NOxxx, SKIP, RCPT_REJ. NR and HDR_LEADSPC flags come by themselves. */
  readonly protocol?: number;
  /** Macros to ask for, by stage, spelled as in `macroNames`; a list replaces the MTA's own of that stage. */
  readonly macros?: Readonly<Partial<Record<MacroStage, readonly string[]>>>;
  /** What the listener is. Over TCP Postfix loses 43 ms a message if DATA is not answered, so it always is. */
  readonly transport: 'unix' | 'tcp';
};

/** What holds for the whole connection. `maxDataBytes`: the longest payload the milter may send in one packet. */
export type Negotiated = Offer & { readonly maxDataBytes: number };

/** Why an offer can't be taken: the connection is closed. */
export type Refusal = { readonly code: 'version-too-old' | 'action-not-offered'; readonly message: string };

const FLAGS: Readonly<Record<AnswerableEvent, { readonly at: number; readonly no: number; readonly silent: number }>> =
  {
    connect: { at: level.connect, no: SMFIP.NOCONNECT, silent: SMFIP.NR_CONN },
    helo: { at: level.helo, no: SMFIP.NOHELO, silent: SMFIP.NR_HELO },
    mail: { at: level.mail, no: SMFIP.NOMAIL, silent: SMFIP.NR_MAIL },
    rcpt: { at: level.rcpt, no: SMFIP.NORCPT, silent: SMFIP.NR_RCPT },
    data: { at: level.data, no: SMFIP.NODATA, silent: SMFIP.NR_DATA },
    header: { at: level.header, no: SMFIP.NOHDRS, silent: SMFIP.NR_HDR },
    endOfHeaders: { at: level.endOfHeaders, no: SMFIP.NOEOH, silent: SMFIP.NR_EOH },
    body: { at: level.body, no: SMFIP.NOBODY, silent: SMFIP.NR_BODY },
    unknown: { at: level.unknown, no: SMFIP.NOUNKNOWN, silent: SMFIP.NR_UNKN },
  };

/**
 * The protocol flags to ask for: silence for every event that is not in `answers`, HDR_LEADSPC, and what is wanted.
 * Errors: LocalProtocolError `contradictory-wants` if an event to be answered is also switched off or silenced, or if
 * refused recipients are wanted without the macro that tells them apart.
 */
export function wantedFlags(wanted: MilterWants, answers: ReadonlySet<AnswerableEvent>): number {
  let flags = (wanted.protocol ?? 0) & allProtocol.v6;
  if (wanted.transport === 'tcp') flags &= ~(SMFIP.NODATA | SMFIP.NR_DATA);
  for (const [event, { no, silent }] of Object.entries(FLAGS)) {
    const isAnswered = answers.has(event as AnswerableEvent);
    if (isAnswered && (flags & (no | silent)) !== 0) {
      throw new LocalProtocolError('contradictory-wants', `${event} is to be answered and is switched off`);
    }
    if (!isAnswered && !(event === 'data' && wanted.transport === 'tcp')) flags |= silent;
  }
  const rcptMacros = wanted.macros?.rcpt;
  if ((flags & SMFIP.RCPT_REJ) !== 0 && rcptMacros?.includes('{rcpt_mailer}') === false) {
    throw new LocalProtocolError('contradictory-wants', 'RCPT_REJ is wanted but not {rcpt_mailer}, which shows it');
  }
  return flags | SMFIP.HDR_LEADSPC;
}

/** For each level whether its command owes a reply under these flags. */
export function replyTable(protocol: number): readonly boolean[] {
  const owes = [true, true, true, true, true, true, true, true, true, true];
  for (const { at, silent } of Object.values(FLAGS)) owes[at] = (protocol & silent) === 0;
  return owes;
}

/**
 * What comes of an offer. `flags` are those of `wantedFlags`. An offer of 0 means the set of version 1. A flag counts
 * only where the agreed version has it. Of the MDS flags the highest offered that fits `maxPacketBytes` is echoed.
 */
export function negotiate(
  offer: Offer,
  wanted: MilterWants,
  flags: number,
  maxPacketBytes: number,
): Negotiated | Refusal {
  const version = Math.min(offer.version, SMFI_VERSION);
  if (version < 2) return { code: 'version-too-old', message: `milter version ${offer.version} is too old` };
  const offeredActions =
    (offer.actions === 0 ? allActions.v1 : offer.actions) & (version < 6 ? allActions.v2 : allActions.v6);
  const missing = wanted.actions & ~offeredActions;
  if (missing !== 0) {
    return { code: 'action-not-offered', message: `the MTA does not offer the actions 0x${missing.toString(16)}` };
  }
  const optional = (wanted.optionalActions ?? 0) & offeredActions;
  const lists = wanted.macros === undefined ? 0 : SMFIF.SETSYMLIST & offeredActions;
  const offered = offer.protocol === 0 ? allProtocol.v1 : offer.protocol;
  const [sizeFlag, maxDataBytes] = dataSize(offered, maxPacketBytes);
  return {
    version,
    actions: wanted.actions | optional | lists,
    protocol: (flags & offered & flagsOf(version)) | sizeFlag,
    maxDataBytes,
  };
}

function flagsOf(version: number): number {
  if (version === 2) return allProtocol.v2;
  if (version === 3) return allProtocol.v3;
  return version < 6 ? allProtocol.v4 : allProtocol.v6;
}

function dataSize(offered: number, maxPacketBytes: number): readonly [flag: number, bytes: number] {
  if ((offered & SMFIP.MDS_1M) !== 0 && maxData.mds1M < maxPacketBytes) return [SMFIP.MDS_1M, maxData.mds1M];
  if ((offered & SMFIP.MDS_256K) !== 0 && maxData.mds256K < maxPacketBytes) return [SMFIP.MDS_256K, maxData.mds256K];
  return [0, maxData.plain];
}

const MACRO_NAME = /^(?:[^\s{}\0]|\{[^\s{}\0]+\})$/;

/**
 * The macro lists of an OPTNEG answer.
 * Errors: LocalProtocolError `bad-macro-name`.
 */
export function encodeMacroLists(macros: MilterWants['macros']): string {
  let text = '';
  for (const [stage, names] of Object.entries(macros ?? {})) {
    const odd = names.find((name) => !MACRO_NAME.test(name));
    if (odd !== undefined) throw new LocalProtocolError('bad-macro-name', `not the name of a macro: ${odd}`);
    text += `${u32(macroStages[stage as MacroStage])}${names.join(' ')}\0`;
  }
  return text;
}

/** The OPTNEG answer; `lists` are those of `encodeMacroLists`, sent only where SETSYMLIST was agreed. */
export function encodeNegotiated(agreed: Negotiated, lists: string): Buffer {
  const numbers = u32(agreed.version) + u32(agreed.actions) + u32(agreed.protocol);
  const payload = (agreed.actions & SMFIF.SETSYMLIST) === 0 ? numbers : numbers + lists;
  return joinParts([packetHead(SMFIR.OPTNEG, payload.length), payload]);
}
