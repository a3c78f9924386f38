import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerSocketmap } from '../../../src/answers/index.ts';
import { decideRecipient } from '../../../src/decide/index.ts';
import type { Snapshot } from '../../../src/snapshot/index.ts';
import { smtpdMilterEdit } from '../../../src/answers/postfix-plan/edits.ts';
import { encodeSocketmapReply } from '../../../src/wire/socketmap/index.ts';
import { aDocument, aSnapshot, aTransaction, type Keys } from '../../support/builders.ts';

const MILTER = 'unix:postern/milter.sock';
const NOON = Date.UTC(2027, 0, 31, 12);
const OURS =
  'OK { unix:postern/milter.sock, default_action=tempfail, connect_timeout=10s, command_timeout=30s, content_timeout=60s }';
const NOT_FOUND = 'NOTFOUND ';

type Asked = { readonly at?: number; readonly milter?: string | null };
const answer = (snapshot: Snapshot, key: string, { at = NOON, milter = MILTER }: Asked = {}): string =>
  encodeSocketmapReply(answerSocketmap(snapshot, 'milters', key, { at, milter }))
    .toString()
    .replace(/^[0-9]+:(.*),$/, '$1');
const ask = (domains: Keys, key: string, asked?: Asked): string => answer(aSnapshot(aDocument(domains)), key, asked);

const ALLOWING = { allowedIps: ['198.51.100.7', '2001:db8::/32'] };
const client = '198.51.100.7';

describe('the socketmap milters', () => {
  it('says what apply puts into smtpd_milters, and nothing else', () => {
    expect(ask({ 'a.example': ALLOWING }, client)).toBe(OURS);
    for (const milter of ['inet:127.0.0.1:10041', 'inet:[::1]:10041', MILTER]) {
      const [entry] = smtpdMilterEdit(milter, 'first').items;
      expect(ask({ 'a.example': ALLOWING }, client, { milter })).toBe(`OK ${entry!}`);
    }
  });

  it('asks all milters where there is no milter door, or no own domain', () => {
    expect(ask({ 'a.example': ALLOWING }, client, { milter: null })).toBe(NOT_FOUND);
    expect(answer({ ...aSnapshot(aDocument({ 'a.example': ALLOWING })), domains: new Map() }, client)).toBe(NOT_FOUND);
  });

  it.each([
    ['both allow it', ALLOWING, OURS],
    ['the other one allows another', { allowedIps: ['198.51.100.8'] }, NOT_FOUND],
    ['the other one allows a wider network', { allowedIps: ['198.51.100.0/24'] }, OURS],
    ['the other one blocks it too: allow beats block', { ...ALLOWING, blockedIps: ['198.51.100.0/24'] }, OURS],
    ['the other one blocks it', { blockedIps: ['198.51.100.7'] }, NOT_FOUND],
    ['the other one has no settings', {}, NOT_FOUND],
    ['the other one is only observed', { ...ALLOWING, enforcement: 'observe' }, NOT_FOUND],
  ])('ADM-03 of two own domains, %s', (_, other, expected) => {
    expect(ask({ 'a.example': ALLOWING, 'b.example': other }, client)).toBe(expected);
    expect(ask({ 'b.example': other, 'a.example': ALLOWING }, client)).toBe(expected);
  });

  it('domains of every organization are asked', () => {
    const org = (domain: string, settings: Keys): Keys => ({ primaryDomain: domain, domains: { [domain]: settings } });
    const both = (second: Keys): Keys => ({
      version: 1,
      organizations: { one: org('a.example', ALLOWING), two: org('b.example', second) },
    });
    expect(answer(aSnapshot(both(ALLOWING)), client)).toBe(OURS);
    expect(answer(aSnapshot(both({})), client)).toBe(NOT_FOUND);
  });

  it('an entry that expires acts to its last millisecond', () => {
    const domains = { 'a.example': { allowedIps: [{ ip: client, expires: '2027-01-31T12:00:00Z' }] } };
    expect(ask(domains, client, { at: NOON - 1 })).toBe(OURS);
    expect(ask(domains, client, { at: NOON })).toBe(NOT_FOUND);
  });

  it('an entry of a list file counts', () => {
    const document = aDocument({ 'a.example': { allowedIps: [{ file: 'lists/friends.txt' }] } });
    const snapshot = aSnapshot(document, { lists: { 'lists/friends.txt': '198.51.100.0/28\n' } });
    expect(answer(snapshot, client)).toBe(OURS);
    expect(answer(snapshot, '198.51.100.16')).toBe(NOT_FOUND);
  });

  it.each([
    [{ enabled: true }, NOT_FOUND],
    [{ enabled: true, skipSpamFilter: true }, NOT_FOUND],
    [{ enabled: false }, OURS],
  ])('GW-02 a gateway of any own domain is not looked up in a list: %j', (gateway, expected) => {
    const other = { ...ALLOWING, inboundGateway: { ips: ['198.51.100.0/28'], ...gateway } };
    expect(ask({ 'a.example': ALLOWING, 'b.example': other }, client)).toBe(expected);
  });

  it.each([
    '198.51.100.7',
    '::ffff:198.51.100.7',
    '::FFFF:C633:6407',
    '2001:DB8::7',
    'IPv6:2001:db8:0:0::7',
    '[2001:db8::7]',
  ])('IP-04 %s is a spelling of a client that is allowed', (key) => {
    expect(ask({ 'a.example': ALLOWING }, key)).toBe(OURS);
  });

  it.each([
    ...['', 'unknown', 'localhost', '*', '198.51.100', '198.51.100.7.', ' 198.51.100.7', '198.51.100.007'],
    ...['198.51.100.7/32', '198.51.100.0/24', '::', 'fe80::1%eth0', '::ffff:198.51.100.8', '__proto__'],
  ])('MIL-11 "%s" is no client that is allowed', (key) => {
    expect(ask({ 'a.example': ALLOWING }, key)).toBe(NOT_FOUND);
  });

  it('names a client exactly where a message of it would be told to bypass filters by every own domain', () => {
    const address = fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1', '::ffff:192.0.2.2');
    const list = fc.subarray([
      '192.0.2.0/31',
      '192.0.2.2',
      '2001:db8::/64',
      { ip: '192.0.2.3/32', expires: '2027-01-01' },
    ]);
    const domain = fc.record({
      enforcement: fc.constantFrom('enforce', 'enforce', 'enforce', 'observe'),
      allowedIps: list,
      blockedIps: fc.subarray(['192.0.2.0/24']),
      inboundGateway: fc.record({ enabled: fc.boolean(), ips: fc.constantFrom(['192.0.2.1'], ['203.0.113.1']) }),
    });
    const names = ['a.example', 'b.example', 'c.example'];
    let allowedSeen = 0;
    fc.assert(
      fc.property(fc.array(domain, { minLength: 1, maxLength: 3 }), address, (settings, key) => {
        const domains = Object.fromEntries(settings.map((each, index) => [names[index]!, each]));
        const snapshot = aSnapshot(aDocument(domains));
        const isBypassed = Object.keys(domains).every(
          (name) =>
            decideRecipient(
              snapshot,
              aTransaction({ client: key, recipient: `bob@${name}`, at: new Date(NOON).toISOString() }),
            ).bypassSpamFilter,
        );
        allowedSeen += Number(isBypassed);
        expect(answer(snapshot, key)).toBe(isBypassed ? OURS : NOT_FOUND);
      }),
      { numRuns: 500 },
    );
    expect(allowedSeen).toBeGreaterThan(20);
  });

  it('1,000 own domains: all are asked, and one that does not allow is enough', () => {
    const many = (last: Keys): Snapshot => {
      const lists = Array.from({ length: 100 }, (_, n) => `203.0.${n}.0/24`);
      const domains = Array.from({ length: 1000 }, (_, n) => [
        `d${n}.example`,
        n === 999 ? last : { allowedIps: [...lists, client] },
      ]);
      return aSnapshot(aDocument(Object.fromEntries(domains) as Keys));
    };
    const [all, allButOne] = [many(ALLOWING), many({})];
    for (let n = 0; n < 500; n += 1) {
      expect(answer(all, client)).toBe(OURS);
      expect(answer(allButOne, client)).toBe(NOT_FOUND);
    }
  });
});
