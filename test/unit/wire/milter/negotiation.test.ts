import { describe, expect, it } from 'vitest';
import { LocalProtocolError, SMFIF, SMFIP } from '../../../../src/wire/milter/index.ts';
import type { AnswerableEvent } from '../../../../src/wire/milter/index.ts';
import * as mta from './mta.ts';
import { agreed, newSession, shown, tell, type Setup } from './told.ts';

const ALL_SILENT = 0xff080;
const LEADSPC = SMFIP.HDR_LEADSPC;
const EVERY: readonly AnswerableEvent[] = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'header',
  'endOfHeaders',
  'body',
  'unknown',
];

/** The three numbers of the OPTNEG answer, and the octets after them. */
function answer(setup: Setup, offered = mta.offer()): { numbers: number[]; lists: string } {
  const [event] = newSession({ actions: 0, ...setup }).receive(offered);
  if (event?.kind !== 'negotiated') throw new Error(event && shown(event));
  const [reply, ...more] = mta.packets(event.answer);
  expect([reply?.code, more]).toEqual(['O', []]);
  const { payload } = reply!;
  const numbers = [0, 4, 8].map((at) => payload.readUInt32BE(at));
  expect(numbers).toEqual([event.version, event.actions, event.protocol]);
  return { numbers, lists: payload.toString('latin1', 12) };
}

const flags = (setup: Setup, offered?: Buffer): number | undefined => answer(setup, offered).numbers[2];

function refusal(setup: Setup): string {
  try {
    newSession(setup);
  } catch (error) {
    if (error instanceof LocalProtocolError) return error.fault.code;
    throw error;
  }
  return 'none';
}

describe('version and actions', () => {
  it.each([
    [2, 2],
    [4, 4],
    [6, 6],
    [7, 6],
    [0xffff_ffff, 6],
  ])('an offer of version %i is answered with %i', (offered, version) => {
    expect(answer({}, mta.offer(offered)).numbers[0]).toBe(version);
  });

  it.each([0, 1])('version %i is a fault', (version) => {
    expect(tell(newSession(), mta.offer(version))).toEqual(['fault version-too-old at 0']);
  });

  it('only the needed actions are asked for', () => {
    expect(answer({ actions: SMFIF.ADDHDRS | SMFIF.CHGHDRS }).numbers[1]).toBe(0x11);
  });

  it('an action that is needed and not offered is a fault, also where the version does not have it', () => {
    expect(tell(newSession({ actions: SMFIF.CHGHDRS }), mta.offer(6, 0x0f))).toEqual(['fault action-not-offered at 0']);
    expect(tell(newSession({ actions: SMFIF.CHGFROM }), mta.offer(4))).toEqual(['fault action-not-offered at 0']);
  });

  it.each([
    [6, 0x1ff, SMFIF.ADDHDRS | SMFIF.CHGHDRS, 0x13],
    [6, 0x1fd, SMFIF.ADDHDRS | SMFIF.CHGHDRS, 0x11],
    [2, 0, SMFIF.ADDHDRS, 0x03],
  ])('an optional action is taken where version %i with the actions %i has it', (version, offered, actions, agreed) => {
    expect(answer({ actions, optionalActions: SMFIF.CHGBODY }, mta.offer(version, offered)).numbers[1]).toBe(agreed);
  });

  it('an optional action that the version does not have is left out', () => {
    expect(answer({ optionalActions: SMFIF.CHGFROM }, mta.offer(4)).numbers[1]).toBe(0);
  });

  it('offers of 0 mean the sets of version 1', () => {
    expect(
      answer({ actions: SMFIF.DELRCPT, protocol: SMFIP.NOHDRS | SMFIP.NOEOH }, mta.offer(2, 0, 0)).numbers,
    ).toEqual([2, 0x08, 0x20]);
    expect(tell(newSession({ actions: SMFIF.QUARANTINE }), mta.offer(2, 0, 0))).toEqual([
      'fault action-not-offered at 0',
    ]);
  });
});

describe('protocol flags', () => {
  it('over a unix socket silence is asked for on every event', () => {
    expect(flags({})).toBe(ALL_SILENT | LEADSPC);
  });

  it('over TCP DATA is answered: neither NR_DATA nor NODATA is asked for', () => {
    expect(flags({ transport: 'tcp' })).toBe(0xef080 | LEADSPC);
    expect(flags({ transport: 'tcp', protocol: SMFIP.NODATA | SMFIP.NR_DATA })).toBe(0xef080 | LEADSPC);
    expect(flags({ transport: 'tcp', answers: new Set(['data']) })).toBe(0xef080 | LEADSPC);
    expect(flags({ protocol: SMFIP.NODATA })).toBe(ALL_SILENT | LEADSPC | SMFIP.NODATA);
  });

  it('silence is not asked for on the events to be answered', () => {
    expect(flags({ answers: new Set(['rcpt']) })).toBe((ALL_SILENT & ~SMFIP.NR_RCPT) | LEADSPC);
    expect(flags({ answers: new Set(EVERY) })).toBe(LEADSPC);
  });

  it('MIL-04 the leading space is asked for when offered', () => {
    expect(flags({}, mta.offer(6, 0x1ff, 0xfffff))).toBe(ALL_SILENT);
  });

  it('flags are dropped where they are not offered, or where the version does not have them', () => {
    const protocol = SMFIP.NOUNKNOWN | SMFIP.NODATA | SMFIP.SKIP | SMFIP.RCPT_REJ;
    expect(flags({ protocol })).toBe(protocol | ALL_SILENT | LEADSPC);
    expect(flags({ protocol }, mta.offer(6, 0x1ff, 0x7f))).toBe(0);
    expect(flags({ protocol }, mta.offer(2))).toBe(SMFIP.NR_HDR);
    expect(flags({ protocol }, mta.offer(3))).toBe(SMFIP.NR_HDR | SMFIP.NOUNKNOWN);
    expect(flags({ protocol }, mta.offer(4))).toBe(SMFIP.NR_HDR | SMFIP.NOUNKNOWN | SMFIP.NODATA);
  });

  it.each([
    [SMFIP.MDS_256K | SMFIP.MDS_1M, undefined, SMFIP.MDS_1M],
    [SMFIP.MDS_256K, undefined, SMFIP.MDS_256K],
    [SMFIP.MDS_256K | SMFIP.MDS_1M, 1_048_575, SMFIP.MDS_256K],
    [SMFIP.MDS_256K | SMFIP.MDS_1M, 262_143, 0],
    [0xc000_0000, undefined, 0],
  ])('of the sizes 0x%i the highest that fits is echoed', (sizes, maxPacketBytes, echoed) => {
    const setup = maxPacketBytes === undefined ? {} : { maxPacketBytes };
    expect(flags(setup, mta.offer(6, 0x1ff, 0x1f_ffff + sizes))).toBe((ALL_SILENT | LEADSPC) + echoed);
  });

  it.each(EVERY)("%s can't be answered and switched off, or silenced", (event) => {
    const no = {
      connect: 1,
      helo: 2,
      mail: 4,
      rcpt: 8,
      body: 0x10,
      header: 0x20,
      endOfHeaders: 0x40,
      unknown: 0x100,
      data: 0x200,
    };
    expect(refusal({ answers: new Set([event]), protocol: no[event] })).toBe('contradictory-wants');
    expect(refusal({ answers: new Set([event]), protocol: ALL_SILENT })).toBe('contradictory-wants');
    expect(refusal({ protocol: no[event] | ALL_SILENT })).toBe('none');
  });
});

describe('macro lists', () => {
  const lists = { rcpt: ['{rcpt_addr}', '{rcpt_mailer}'], endOfMessage: ['i'], connect: ['j', '{client_addr}'] };

  it('are in the answer where SETSYMLIST is offered', () => {
    expect(answer({ macros: lists })).toEqual({
      numbers: [6, 0x100, ALL_SILENT | LEADSPC],
      lists: '\0\0\0\x03{rcpt_addr} {rcpt_mailer}\0\0\0\0\x05i\0\0\0\0\0j {client_addr}\0',
    });
  });

  it('are left out where it is not, and then SETSYMLIST too', () => {
    expect(answer({ macros: lists }, mta.offer(6, 0xff))).toEqual({ numbers: [6, 0, ALL_SILENT | LEADSPC], lists: '' });
    expect(answer({ macros: lists }, mta.offer(4)).numbers[1]).toBe(0);
  });

  it.each(['', 'ab', '{a b}', '{a', 'a\0', ' '])('the macro name %j is refused', (name) => {
    expect(refusal({ macros: { mail: [name] } })).toBe('bad-macro-name');
  });

  it('refused recipients are not asked for without the macro that shows them', () => {
    expect(refusal({ protocol: SMFIP.RCPT_REJ, macros: { rcpt: ['i'] } })).toBe('contradictory-wants');
    expect(refusal({ protocol: SMFIP.RCPT_REJ, macros: { rcpt: ['{rcpt_mailer}'] } })).toBe('none');
    expect(refusal({ protocol: SMFIP.RCPT_REJ, macros: { mail: ['i'] } })).toBe('none');
  });
});

describe('order', () => {
  it.each([
    ['MACRO', mta.macros('C')],
    ['CONNECT', mta.connect()],
    ['ABORT', mta.abort],
    ['QUIT', mta.quit],
  ])('%s before the negotiation is a fault', (_, packet) => {
    expect(tell(newSession(), packet)).toEqual(['fault not-negotiated at 0']);
  });

  it('a second negotiation is a fault', () => {
    expect(tell(agreed(), mta.offer())).toEqual(['fault negotiated-twice at 17']);
  });
});
