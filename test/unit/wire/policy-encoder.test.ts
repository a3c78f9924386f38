import { describe, expect, it } from 'vitest';
import { encodeAction, maxActionOctets } from '../../../src/wire/policy/index.ts';
import { LocalProtocolError } from '../../../src/wire/protocol-error.ts';

/** The fault code of a refusal; undefined if the action was taken. */
function refusal(action: string): string | undefined {
  try {
    encodeAction(action);
    return undefined;
  } catch (error) {
    if (!(error instanceof LocalProtocolError)) throw error;
    expect(error.fault.protocol).toBe('Postfix SMTPD_POLICY_README');
    return error.fault.code;
  }
}

describe('encodeAction', () => {
  it.each([
    'DUNNO',
    'dunno',
    '550 5.7.1 Client address blocked by receiving domain policy',
    '451 4.3.0 Temporary failure',
    '530  5.7.0 Must use TLS',
    'REJECT',
    'DEFER_IF_PERMIT 4.7.1 try later',
    'HOLD quarantine',
    'DISCARD',
    'PREPEND X-Mark: 1',
    'FILTER smtp:[127.0.0.1]:10025',
    'WARN OK',
  ])('sends "%s" as one action line and an empty line', (action) => {
    expect(encodeAction(action).toString('latin1')).toBe(`action=${action}\n\n`);
  });

  it.each([
    'OK',
    'ok',
    'Ok text',
    'RELAY',
    'PERMIT',
    'permit',
    'permit_mynetworks',
    'permit_sasl_authenticated, reject',
  ])('POL-09 "%s" permits and is never sent', (action) => {
    expect(refusal(action)).toBe('action-permits');
  });

  it.each([
    '250',
    '12345',
    '0',
    '550',
    '450',
    '550 ',
    '250 2.1.5 Ok',
    '250 text',
    '200 5.7.1 x',
    '5500 text',
    '55 text',
    '350 go on',
  ])('POL-09 "%s" starts with a number that is no refusal with text', (action) => {
    expect(refusal(action)).toBe('action-permits');
  });

  it.each([
    ' OK',
    ' ',
    'DUNNO,OK',
    ',permit',
    'reject_unauth_destination, permit',
    'reject_unauth_destination permit',
    'warn_if_reject permit',
    'QUARANTINE',
    '55a text',
  ])('POL-09 "%s" would be run as restrictions and is never sent', (action) => {
    expect(refusal(action)).toBe('action-unknown');
  });

  it.each([
    '550 5.7.1 bad\naction=OK',
    '550 5.7.1 bad\r',
    'DUNNO\n\naction=OK',
    '550 5.7.1 a\tb',
    '550 5.7.1 \u007f',
    'DUNNO\0',
  ])('POL-12 a control character is refused: %j', (action) => {
    expect(refusal(action)).toBe('action-not-printable');
  });

  it('POL-12 UTF-8 is refused', () => {
    expect(refusal('550 5.7.1 gesperrt für Sie')).toBe('action-not-printable');
  });

  it('POL-12 400 octets are sent, 401 and 2,000 are refused', () => {
    const action = (length: number): string => '550 5.7.1 '.padEnd(length, 'x');
    expect(encodeAction(action(maxActionOctets))).toHaveLength('action=\n\n'.length + 400);
    expect(refusal(action(401))).toBe('action-too-long');
    expect(refusal(action(2000))).toBe('action-too-long');
  });

  it('an empty action is refused: Postfix would take it for DUNNO', () => {
    expect(refusal('')).toBe('action-empty');
  });

  it('tells where the bad octet is', () => {
    expect(() => encodeAction('DUNNO\n')).toThrow(
      expect.objectContaining({ name: 'LocalProtocolError', fault: expect.objectContaining({ offset: 5 }) as unknown }),
    );
  });
});
