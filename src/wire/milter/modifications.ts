/**
 * How a change of the message is written as packets.
 * Never sends an action that was not agreed on, nor text that the MTA would misread.
 * Source: libmilter, smfi_addheader and its kin; Postfix milter8.c, cleanup_milter.c.
 */
import { SMFIF, SMFIP, SMFIR, maxData } from './constants.ts';
import { LocalProtocolError } from './errors.ts';
import type { Negotiated } from './negotiation.ts';
import { packetHead, u32 } from './packet.ts';

/**
 * One change, at the end of the message only. All text is latin1: one character per octet.
 *
 * - Header values are given without the space after the colon, which the codec or the MTA adds. Folds are a bare LF and
 *   white space. `insertHeader.index` counts from 0 in the message as delivered: 0 is above the MTA's own Received, and
 *   an insertion shifts the later ones. `changeHeader` and `deleteHeader` count from 1 among fields of that name as
 *   received: delete from the highest down, see `orderHeaderDeletions`.
 * - Addresses may stand in angle brackets or not. `args` are ESMTP parameters, as in SMTP.
 * - `replaceBody` may be given several times in a row: the parts are joined. Lines may end in LF or CRLF.
 * - `quarantine` is no verdict: one must still follow. Postfix keeps 100 octets of the reason.
 */
export type Modification =
  | { readonly kind: 'addHeader'; readonly name: string; readonly value: string }
  | { readonly kind: 'insertHeader'; readonly index: number; readonly name: string; readonly value: string }
  | { readonly kind: 'changeHeader'; readonly index: number; readonly name: string; readonly value: string }
  | { readonly kind: 'deleteHeader'; readonly index: number; readonly name: string }
  | { readonly kind: 'replaceBody'; readonly body: Uint8Array }
  | { readonly kind: 'changeSender'; readonly sender: string; readonly args?: readonly string[] }
  | { readonly kind: 'addRecipient'; readonly recipient: string; readonly args?: readonly string[] }
  | { readonly kind: 'deleteRecipient'; readonly recipient: string }
  | { readonly kind: 'quarantine'; readonly reason: string };

const MAX_INDEX = 0x7fff_ffff;

/**
 * The packets of all changes, in order, as parts for `joinParts`.
 * Errors: LocalProtocolError `action-not-agreed`, `body-not-consecutive`, `packet-too-long`, `header-name`,
 * `header-value`, `header-index`, `address`, `esmtp-args`, `quarantine-reason`.
 */
export function encodeModifications(
  modifications: readonly Modification[],
  negotiated: Negotiated,
): (string | Uint8Array)[] {
  const parts: (string | Uint8Array)[] = [];
  let lastBody = -1;
  for (const [at, modification] of modifications.entries()) {
    if (modification.kind === 'replaceBody') {
      if (lastBody !== -1 && lastBody !== at - 1) {
        throw new LocalProtocolError(
          'body-not-consecutive',
          'the parts of a new body with another change between them',
        );
      }
      lastBody = at;
      need(SMFIF.CHGBODY, negotiated);
      pushBody(parts, modification.body);
      continue;
    }
    const [code, payload] = encodeModification(modification, negotiated);
    if (payload.length > negotiated.maxDataBytes) {
      throw new LocalProtocolError('packet-too-long', `a ${modification.kind} of ${payload.length} octets`);
    }
    parts.push(packetHead(code, payload.length) + payload);
  }
  return parts;
}

function pushBody(parts: (string | Uint8Array)[], body: Uint8Array): void {
  // An empty body is one empty packet: none would leave the body as it is.
  let at = 0;
  do {
    const part = body.subarray(at, at + maxData.plain);
    parts.push(packetHead(SMFIR.REPLBODY, part.length), part);
    at += maxData.plain;
  } while (at < body.length);
}

function encodeModification(
  modification: Exclude<Modification, { readonly kind: 'replaceBody' }>,
  negotiated: Negotiated,
): readonly [code: number, payload: string] {
  switch (modification.kind) {
    case 'addHeader':
      need(SMFIF.ADDHDRS, negotiated);
      return [SMFIR.ADDHEADER, field(modification.name, modification.value, negotiated)];
    case 'insertHeader': {
      need(SMFIF.ADDHDRS, negotiated);
      const { index, name, value } = modification;
      return [SMFIR.INSHEADER, indexText(index, 0) + field(name, value, negotiated)];
    }
    case 'changeHeader': {
      need(SMFIF.CHGHDRS, negotiated);
      const { index, name, value } = modification;
      if (value === '') throw new LocalProtocolError('header-value', 'changing a header to nothing would delete it');
      return [SMFIR.CHGHEADER, indexText(index, 1) + field(name, value, negotiated)];
    }
    case 'deleteHeader':
      need(SMFIF.CHGHDRS, negotiated);
      return [SMFIR.CHGHEADER, indexText(modification.index, 1) + field(modification.name, '', negotiated)];
    case 'changeSender':
      need(SMFIF.CHGFROM, negotiated);
      return [SMFIR.CHGFROM, path(modification.sender) + argsText(modification.args)];
    case 'addRecipient': {
      const args = argsText(modification.args);
      need(args === '' ? SMFIF.ADDRCPT : SMFIF.ADDRCPT_PAR, negotiated);
      return [args === '' ? SMFIR.ADDRCPT : SMFIR.ADDRCPT_PAR, forwardPath(modification.recipient) + args];
    }
    case 'deleteRecipient':
      need(SMFIF.DELRCPT, negotiated);
      return [SMFIR.DELRCPT, forwardPath(modification.recipient)];
    case 'quarantine':
      need(SMFIF.QUARANTINE, negotiated);
      refuse('quarantine-reason', modification.reason, NOT_A_LINE);
      if (modification.reason === '')
        throw new LocalProtocolError('quarantine-reason', 'a quarantine without a reason');
      return [SMFIR.QUARANTINE, `${modification.reason}\0`];
  }
}

function need(action: number, negotiated: Negotiated): void {
  // Postfix would do it all the same; Sendmail drops the milter.
  if ((negotiated.actions & action) === 0) {
    throw new LocalProtocolError('action-not-agreed', `the action 0x${action.toString(16)} was not agreed on`);
  }
}

const NOT_A_LINE = /[\0\r\n\u0100-\uffff]/;
const NOT_A_VALUE = /[\0\r\u0100-\uffff]|\n(?:[^\t ]|$)|\n[\t ]+(?:\n|$)/;
const NOT_A_NAME = /[^!-9;-~]/;

function refuse(code: string, text: string, forbidden: RegExp): void {
  const at = text.search(forbidden);
  if (at !== -1) throw new LocalProtocolError(code, `an octet or line end that may not stand in a ${code}`, at);
}

/** A name and a value. Here, and nowhere else, the space after the colon is added where the MTA no longer does. */
function field(name: string, value: string, negotiated: Negotiated): string {
  if (name === '') throw new LocalProtocolError('header-name', 'an empty header name');
  refuse('header-name', name, NOT_A_NAME);
  refuse('header-value', value, NOT_A_VALUE);
  const space = value !== '' && (negotiated.protocol & SMFIP.HDR_LEADSPC) !== 0 ? ' ' : '';
  return `${name}\0${space}${value}\0`;
}

function indexText(index: number, least: number): string {
  if (!Number.isInteger(index) || index < least || index > MAX_INDEX) {
    throw new LocalProtocolError('header-index', `not an index of a header: ${index}`);
  }
  return u32(index);
}

function path(address: string): string {
  refuse('address', address, NOT_A_LINE);
  return address.startsWith('<') && address.endsWith('>') ? `${address}\0` : `<${address}>\0`;
}

function forwardPath(address: string): string {
  if (address === '' || address === '<>') throw new LocalProtocolError('address', 'a recipient without an address');
  return path(address);
}

function argsText(args: readonly string[] = []): string {
  if (args.length === 0) return '';
  const text = args.join(' ');
  refuse('esmtp-args', text, NOT_A_LINE);
  return `${text}\0`;
}
