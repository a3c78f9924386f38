import { describe, expect, it } from 'vitest';
import { renderRouteChanges, type EnvelopeRecipient } from '../../../src/answers/index.ts';
import { decideMessage, type Routing } from '../../../src/decide/index.ts';
import type { RouteId, Snapshot } from '../../../src/snapshot/index.ts';
import {
  aRoutedSnapshot,
  type Around,
  knownRoute,
  withDomain,
  type Installed,
  type Keys,
} from '../../support/builders.ts';
import { aMessage, aRecipient, type MessageTexts, type ResolvedTexts } from '../../support/messages.ts';

const ROUTES = { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30', port: 2525 } };
const external = (more: Keys = {}) => ({ inboundRouting: [{ mail: ['external'], route: 'archive', ...more }] });
const plain = { inboundRouting: [{ mail: ['external', 'internal'], route: 'archive' }] };
const additionally = { outboundRouting: [{ mail: ['external'], action: 'additionally', route: 'archive' }] };

type Given = { texts: string | ResolvedTexts; exact?: string; parameters?: string[] };
const given = (texts: string | ResolvedTexts, parameters: string[] = [], exact?: string): Given => ({
  texts,
  parameters,
  ...(exact !== undefined && { exact }),
});

/** The changes as lines, with the names of routes in place of their labels. */
function changes(
  settings: Keys,
  recipients: Given[],
  texts: MessageTexts = {},
  known: Installed = {},
  around: Around = {},
): string[] {
  const snapshot = aRoutedSnapshot(withDomain(settings, { routes: ROUTES }), known, around);
  const t = aMessage({ ...texts, recipients: recipients.map((each) => each.texts) });
  const decision = decideMessage(snapshot, t);
  expect(decision.verdict.kind).toBe('pass');
  return linesOf(snapshot, decision.routing, recipients);
}

function linesOf(snapshot: Snapshot, routing: Routing, recipients: Given[]): string[] {
  const envelope = recipients.map(({ texts, exact, parameters = [] }): EnvelopeRecipient => {
    const recipient = aRecipient(texts);
    return { ...recipient, exact: exact ?? `<${recipient.address.text}>`, parameters };
  });
  const named = (text: string): string =>
    ['archive', 'dlp'].reduce((each, name) => each.replace(`@${knownRoute(snapshot, name).label}.`, `@${name}.`), text);
  return renderRouteChanges(snapshot, routing, envelope).map((each) => {
    if (each.kind === 'addRecipient') return ['+', named(each.recipient), ...(each.args ?? [])].join(' ');
    if (each.kind === 'deleteRecipient') return `- ${each.recipient}`;
    throw new Error(`routing changes no ${each.kind}`);
  });
}

const END = '@archive.route.postern.internal';

describe('the changes of the envelope', () => {
  it('a routed recipient is put in under its encoded address, and taken out', () => {
    expect(changes(external(), [given('bob@example.com')])).toEqual([
      `+ bob=example.com${END} ORCPT=rfc822;bob@example.com`,
      '- <bob@example.com>',
    ]);
  });

  it('RT-05 also saved: put in, and left where it is; nothing is said of success', () => {
    expect(changes(external({ alsoSave: true }), [given('bob@example.com')])).toEqual([
      `+ bob=example.com${END} NOTIFY=FAILURE ORCPT=rfc822;bob@example.com`,
    ]);
  });

  it('one without a domain, of mail that no smtpd has taken, is taken out in both spellings that Postfix may have', () => {
    const [settings, recipients] = [external(), [given('bob@example.com', [], 'bob@example.com')]];
    const shown = `+ bob=example.com${END} ORCPT=rfc822;bob@example.com`;
    expect(changes(settings, recipients, {}, {}, { originDomain: 'example.com' })).toEqual([
      ...[shown, '- bob@example.com', '- bob'],
    ]);
    expect(changes(settings, recipients, {}, {}, { originDomain: 'other.example' })).toEqual([
      shown,
      '- bob@example.com',
    ]);
    const byClient = { to: 'bob@example.com', as: 'bob@example.com', by: 'relay', at: 'example.com' };
    expect(changes(settings, [given(byClient)], {}, {}, { originDomain: 'example.com' })).toEqual([
      ...[shown, '- <bob@example.com>'],
    ]);
  });

  it('RT-08 without a rule nothing is changed', () => {
    expect(changes({}, [given('bob@example.com'), given('c@elsewhere.example')])).toEqual([]);
  });

  it('what is put in comes first: no message is ever without recipients', () => {
    const two = [given('bob@example.com'), given('carl@example.com')];
    expect(changes(external(), two).map((line) => line[0])).toEqual(['+', '+', '-', '-']);
  });

  it('RT-03 a recipient that comes twice is one, also where the case of its domain differs', () => {
    const twice = [
      given('bob@example.com'),
      given('bob@EXAMPLE.com'),
      given('bob@example.com'),
      given('bob%example.com'),
    ];
    expect(changes(external(), twice)).toEqual([
      `+ bob=example.com${END} ORCPT=rfc822;bob@example.com`,
      '- <bob@example.com>',
      '- <bob@EXAMPLE.com>',
      '- <bob%example.com>',
    ]);
    // The case of a local-part is the server's affair.
    expect(changes(external(), [given('bob@example.com'), given('Bob@example.com')])).toHaveLength(4);
  });

  it('two routes get their own copies of one recipient', () => {
    const settings = {
      ...external({ mail: ['internal'], alsoSave: true }),
      outboundRouting: [{ mail: ['internal'], action: 'additionally', route: 'dlp' }],
    };
    const texts = { client: '127.0.0.1', sender: 'alice@example.com' };
    expect(changes(settings, [given('alice@example.com')], texts)).toEqual([
      `+ alice=example.com${END} NOTIFY=FAILURE ORCPT=rfc822;alice@example.com`,
      '+ alice=example.com@dlp.route.postern.internal NOTIFY=NEVER ORCPT=rfc822;alice@example.com',
    ]);
  });

  it('RT-10 a copy for the sender: NOTIFY=NEVER whatever the recipients asked for, and nobody is taken out', () => {
    const texts = { client: '127.0.0.1', sender: 'alice+tag@example.com' };
    expect(changes(additionally, [given('c@elsewhere.example', ['NOTIFY=SUCCESS'])], texts)).toEqual([
      `+ alice+tag=example.com${END} NOTIFY=NEVER ORCPT=rfc822;alice+2Btag@example.com`,
    ]);
  });

  it('what is taken out is named by the octets of RCPT', () => {
    const recipients = [given('"Jürgen B"@example.com', [], '<"J\xc3\xbcrgen B"@EXAMPLE.com.>')];
    expect(changes(external(), recipients)).toEqual([
      `+ "J\xc3\xbcrgen B=example.com"${END} ORCPT=rfc822;"J+C3+BCrgen+20B"@example.com`,
      '- <"J\xc3\xbcrgen B"@EXAMPLE.com.>',
    ]);
  });

  it('an encoded recipient of a local bounce is taken out and nothing put in', () => {
    const stray = given('u=example.com@r7-00000000.route.postern.internal');
    expect(changes(external(), [stray, given('bob@example.com')], { client: 'local', sender: '<>' })).toEqual([
      `+ bob=example.com${END} ORCPT=rfc822;bob@example.com`,
      '- <u=example.com@r7-00000000.route.postern.internal>',
      '- <bob@example.com>',
    ]);
  });
});

describe('what the client asked for', () => {
  const sent = (parameters: string[], more: Keys = {}): string =>
    changes(external(more), [given('bob@example.com', parameters)])[0]!
      .split(' ')
      .slice(2)
      .join(' ');

  it.each([
    [[], 'ORCPT=rfc822;bob@example.com'],
    [['NOTIFY=SUCCESS,FAILURE'], 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example.com'],
    [['ORCPT=rfc822;o+2Bx@partner.example', 'notify=never'], 'NOTIFY=never ORCPT=rfc822;o+2Bx@partner.example'],
    [['orcpt=utf-8;x', 'FOO=bar', 'NOTIFY'], 'ORCPT=utf-8;x'],
  ])('%j goes along as "%s"', (parameters, args) => {
    expect(sent(parameters)).toBe(args);
  });

  it.each([
    ['NOTIFY=SUCCESS', 'NEVER'],
    ['NOTIFY=SUCCESS,DELAY,Failure', 'FAILURE'],
    ['NOTIFY=FAILURE', 'FAILURE'],
    ['NOTIFY=DELAY', 'NEVER'],
    ['notify=never', 'NEVER'],
  ])('a copy beside the delivery here gets FAILURE at most: %s is %s', (parameter, notify) => {
    expect(sent([parameter], { alsoSave: true })).toBe(`NOTIFY=${notify} ORCPT=rfc822;bob@example.com`);
  });

  it.each([true, false])('without bounces it is NEVER whatever was asked for; also saved: %s', (alsoSave) => {
    const more = { alsoSave, suppressBounces: true };
    for (const parameters of [[], ['NOTIFY=SUCCESS,FAILURE']]) {
      expect(sent(parameters, more)).toBe('NOTIFY=NEVER ORCPT=rfc822;bob@example.com');
    }
  });
});

describe('what the transport table does', () => {
  const server = { by: 'postern-r1', at: '[archive.example.net]:25' };
  const encoded = [`+ bob=example.com${END} ORCPT=rfc822;bob@example.com`, '- <bob@example.com>'];

  it('is left to it where Postfix has it, and says so', () => {
    expect(changes(plain, [given({ to: 'bob@example.com', ...server })])).toEqual([]);
    expect(changes(plain, [given('bob@example.com')])).toEqual([]);
  });

  it.each<[string, ResolvedTexts, Installed]>([
    ['the table is not live', { to: 'bob@example.com', ...server }, { isLive: false }],
    ['Postfix names another service', { to: 'bob@example.com', ...server, by: 'relay' }, {}],
    ['Postfix names another next hop', { to: 'bob@example.com', ...server, at: '[archive.example.net]:2525' }, {}],
  ])('is not where %s', (_, recipient, known) => {
    expect(changes(plain, [given(recipient)], {}, known)).toEqual(encoded);
  });

  it('is not for a rule that is no line, whatever Postfix names', () => {
    expect(changes(external(), [given({ to: 'bob@example.com', ...server })])).toEqual(encoded);
  });

  it('is not for a route that is no more', () => {
    const snapshot = aRoutedSnapshot(withDomain(plain, { routes: ROUTES }));
    const { routing } = decideMessage(snapshot, aMessage());
    const without = { ...snapshot, routes: new Map() };
    expect(linesOf(without, routing, [given('bob@example.com')])).toEqual(encoded);
  });
});

describe('a broken invariant', () => {
  const snapshot = aRoutedSnapshot(withDomain(external(), { routes: ROUTES }));
  const { routing } = decideMessage(snapshot, aMessage());

  it('a recipient without a decision is no silent delivery', () => {
    const two = [given('bob@example.com'), given('carl@example.com')];
    expect(() => linesOf(snapshot, routing, two)).toThrow('a recipient without a decision');
  });

  it('nor is a route without a number', () => {
    const routes = new Map([...snapshot.installation.routes].filter(([id]) => id !== ('acme/archive' as RouteId)));
    const without = { ...snapshot, installation: { ...snapshot.installation, routes } };
    const envelope = [{ ...aRecipient('bob@example.com'), exact: '<bob@example.com>', parameters: [] }];
    expect(() => renderRouteChanges(without, routing, envelope)).toThrow('acme/archive has no number');
  });
});
