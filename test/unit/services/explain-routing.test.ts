import { describe, expect, it } from 'vitest';
import { explain, type Explanation, type Question } from '../../../src/services/index.ts';
import { aRoutedSnapshot, aSnapshot, inDomain, knownRoute, withDomain, type Keys } from '../../support/builders.ts';
import { existenceOf, type MapTexts } from '../../support/existence.ts';
import { aMessage, type MessageTexts } from '../../support/messages.ts';

const ROUTES = { routes: { archive: { host: 'archive.example.net' }, dlp: { host: '192.0.2.30' } } };
const external = (more: Keys = {}) => ({ inboundRouting: [{ mail: ['external'], route: 'archive', ...more }] });
const snapshotOf = (settings: Keys) => aRoutedSnapshot(withDomain(settings, ROUTES));

/** Without `headers` only the envelope is described. */
function explained(
  settings: Keys,
  texts: MessageTexts = {},
  snapshot = snapshotOf(settings),
  more: Partial<Question> = {},
): Explanation {
  const { client, sender, recipients, saslUsername, encrypted, at, headers } = aMessage(texts);
  const addresses = recipients.map(({ address }) => address);
  const described = texts.headers === undefined ? null : headers;
  return explain(snapshot, {
    client,
    sender,
    recipients: addresses,
    saslUsername,
    encrypted,
    at,
    headers: described,
    ...more,
  });
}
const deliveries = (answer: Explanation) => answer.recipients.map((each) => each.deliveries);
const here = (recipient: string) => ({ to: 'here', recipient, bounces: true });
const at = (to: string, recipient: string, bounces = true) => ({ to, recipient, bounces });
const routing = ({ reasons }: Explanation) => reasons.filter(({ rule }) => rule === 'routing');

describe('explain: where a message goes', () => {
  it('RT-08 here, where no rule says otherwise, and why', () => {
    const answer = explained({}, { recipients: ['bob@example.com', 'c@elsewhere.example'] });
    expect(deliveries(answer)).toEqual([[here('bob@example.com')], [here('c@elsewhere.example')]]);
    expect(routing(answer).map(({ text, recipient }) => [text, recipient])).toEqual([
      ['no rule; Postfix decides', 'bob@example.com'],
      ['no rule; Postfix decides', 'c@elsewhere.example'],
    ]);
  });

  it('RT-05 to a route by its name, and here; the address as the server sees it', () => {
    const answer = explained(external({ alsoSave: true }), { recipients: ['Bob%Example.com'] });
    expect(deliveries(answer)).toEqual([[here('Bob%Example.com'), at('archive', 'Bob@example.com')]]);
    expect(routing(answer)).toEqual([
      {
        rule: 'routing',
        setting: inDomain('inboundRouting/0'),
        text: 'goes to acme/archive, and is delivered here',
        considered: true,
        recipient: 'Bob%Example.com',
      },
    ]);
    expect(answer.message).toMatchObject({ verdict: 'pass', reply: null });
  });

  it('without bounces', () => {
    expect(deliveries(explained(external({ suppressBounces: true })))).toEqual([
      [at('archive', 'bob@example.com', false)],
    ]);
  });

  it('RT-10 a copy under the address of the sender stands with the first recipient, once', () => {
    const settings = { outboundRouting: [{ mail: ['external'], action: 'additionally', route: 'dlp' }] };
    const texts = {
      client: '127.0.0.1',
      sender: 'alice+t@example.com',
      recipients: ['c@elsewhere.example', 'd@elsewhere.example'],
    };
    const answer = explained(settings, texts);
    expect(deliveries(answer)).toEqual([
      [here('c@elsewhere.example'), at('dlp', 'alice+t@example.com', false)],
      [here('d@elsewhere.example')],
    ]);
    const copies = routing(answer).filter(({ text }) => text.startsWith('a copy under'));
    expect(copies.map(({ recipient }) => recipient)).toEqual(['c@elsewhere.example']);
  });

  it('a recipient that is refused goes nowhere, and the copies stand with the first that is taken', () => {
    const settings = { blockedIps: ['203.0.113.9'], ...external() };
    const answer = explained(settings, { recipients: ['bob@example.com', 'c@elsewhere.example'] });
    expect(answer.recipients.map(({ verdict, deliveries: to }) => [verdict, to.length])).toEqual([
      ['reject', 0],
      ['pass', 1],
    ]);
  });

  it('a loop: the message is refused, and goes nowhere; the reason stands with its recipient, once', () => {
    const headers = [`X-Postern-Route: ${knownRoute(snapshotOf(external()), 'archive').mark}`];
    const answer = explained(external(), { recipients: ['c@elsewhere.example', 'bob@example.com'], headers });
    expect(answer.message).toMatchObject({ verdict: 'reject', added: [], removed: [], signatures: [] });
    expect(answer.message.reply).toMatch(/^550 5\.4\.6 /);
    expect(deliveries(answer)).toEqual([[], []]);
    expect(routing(answer).map(({ text, recipient }) => [text, recipient])).toEqual([
      ['no rule; Postfix decides', 'c@elsewhere.example'],
      ['a loop: acme/archive has had the message already', 'bob@example.com'],
    ]);
  });

  it.each([[undefined], [[]]])(
    'that it must wait for routes is about the whole message; with headers %j',
    (headers) => {
      const snapshot = aSnapshot(withDomain(external(), ROUTES));
      const answer = explained({}, headers === undefined ? {} : { headers }, snapshot);
      expect(answer.message).toMatchObject({
        verdict: 'defer',
        reply: '451 4.3.5 Mail routing is not ready, try again later',
      });
      expect(deliveries(answer)).toEqual([[at('archive', 'bob@example.com')]]);
      expect(routing(answer).map(({ text, recipient }) => [text, recipient])).toEqual([
        ['goes to acme/archive', 'bob@example.com'],
        ['Postfix does not ask for routes; run "postern postfix apply"', null],
      ]);
    },
  );

  it('observe: here, and the reason says where it would go', () => {
    const answer = explained({ enforcement: 'observe', ...external() });
    expect(deliveries(answer)).toEqual([[here('bob@example.com')]]);
    expect(routing(answer).map(({ text }) => text)).toEqual(['only observed: would go to acme/archive']);
  });

  it('RT-14 internal and external are as routing takes them', () => {
    const texts = { sender: 'alice@example.com', recipients: ['bob@example.com'] };
    const [stranger, user] = [explained(external(), texts), explained(external(), { ...texts, user: 'alice' })];
    expect([stranger, user].map(({ recipients }) => [recipients[0]?.mail, recipients[0]?.deliveries[0]?.to])).toEqual([
      ['external', 'archive'],
      ['internal', 'here'],
    ]);
  });
});

describe('explain: whether recipients exist', () => {
  const LISTS = { recipientLists: { 'r.txt': 'bob\n' } };
  const saved = {
    recipients: ['r.txt', { map: 'hash:/v' }],
    inboundRouting: [{ mail: ['external'], recipients: ['existing', 'missing'], route: 'archive', alsoSave: true }],
  };
  const UNREADABLE = { 'hash:/v': 'no such file' };

  function explainedWith(settings: Keys, texts: MessageTexts, maps: MapTexts = { 'hash:/v': [] }): Explanation {
    const snapshot = aRoutedSnapshot(withDomain(settings, ROUTES), {}, LISTS);
    const existences = aMessage(texts).recipients.map(({ address }) => existenceOf(snapshot, address, maps));
    return explained(settings, texts, snapshot, { existences });
  }
  const who = ({ reasons }: Explanation) =>
    reasons.filter(({ rule }) => rule === 'unknown-recipient').map(({ text, recipient }) => [text, recipient]);

  it('each is said where it was found, and goes its own way', () => {
    const recipients = ['bob@example.com', 'ghost@example.com', 'c@elsewhere.example'];
    const answer = explainedWith(saved, { recipients });
    expect(deliveries(answer)).toEqual([
      [here('bob@example.com'), at('archive', 'bob@example.com')],
      [at('archive', 'ghost@example.com')],
      [here('c@elsewhere.example')],
    ]);
    expect(who(answer)).toEqual([
      ['bob@example.com exists: r.txt has bob', 'bob@example.com'],
      ['ghost@example.com does not exist: no source of recipients has it', 'ghost@example.com'],
    ]);
  });

  it('one that no rule takes is refused, with the reply, and goes nowhere', () => {
    const answer = explainedWith({ recipients: ['r.txt'] }, { recipients: ['ghost@example.com', 'bob@example.com'] });
    expect(answer.recipients.map(({ verdict, reply }) => [verdict, reply])).toEqual([
      ['reject', '550 5.1.1 Recipient address unknown: there is no such mailbox here'],
      ['pass', null],
    ]);
    expect(deliveries(answer)).toEqual([[], [here('bob@example.com')]]);
  });

  it('what cannot be found out makes it wait, and the source says why', () => {
    const answer = explainedWith(saved, { recipients: ['carol@example.com'] }, UNREADABLE);
    expect(answer.recipients[0]).toMatchObject({ verdict: 'defer', deliveries: [] });
    expect(answer.recipients[0]?.reply).toMatch(/^451 4\.3\.0 /);
    expect(who(answer)[0]).toEqual([
      'whether carol@example.com exists cannot be found out: hash:/v: no such file',
      'carol@example.com',
    ]);
  });

  it('observe says what would have been', () => {
    const answer = explainedWith(
      { enforcement: 'observe', recipients: ['r.txt'] },
      { recipients: ['ghost@example.com'] },
    );
    expect(answer.recipients[0]).toMatchObject({ verdict: 'pass', observed: { verdict: 'reject' } });
  });

  it('mail of sendmail(1) is not refused at RCPT, which it does not pass', () => {
    const texts = {
      client: 'local',
      sender: 'x@partner.example',
      recipients: ['ghost@example.com', 'bob@example.com'],
    };
    const answer = explainedWith(saved, texts);
    expect(answer.recipients.map(({ verdict }) => verdict)).toEqual(['pass', 'pass']);
    expect(deliveries(answer)).toEqual([
      [at('archive', 'ghost@example.com')],
      [here('bob@example.com'), at('archive', 'bob@example.com')],
    ]);
    const refused = explainedWith({ recipients: ['r.txt'] }, texts);
    expect(deliveries(refused)).toEqual([[here('ghost@example.com')], [here('bob@example.com')]]);
    expect(who(refused)).toEqual([
      ['who exists is not asked here', 'ghost@example.com'],
      ['who exists is not asked here', 'bob@example.com'],
    ]);
  });

  it('a recipient that is refused at RCPT does not take the place of the others', () => {
    const settings = { ...saved, inboundRouting: [{ mail: ['external'], route: 'archive', alsoSave: true }] };
    const answer = explainedWith(settings, { recipients: ['ghost@example.com', 'bob@example.com'] });
    expect(deliveries(answer)).toEqual([[], [here('bob@example.com'), at('archive', 'bob@example.com')]]);
  });

  it('internal mail goes through the gateway, and one that would be lost there is refused', () => {
    const inboundGateway = { enabled: true, ips: ['192.0.2.30'], internalThroughGateway: 'dlp' };
    const answer = explainedWith(
      { recipients: ['r.txt'], inboundGateway },
      { sender: 'alice@example.com', user: 'alice', recipients: ['bob@example.com', 'ghost@example.com'] },
    );
    expect(answer.recipients.map(({ verdict }) => verdict)).toEqual(['pass', 'reject']);
    expect(deliveries(answer)).toEqual([[at('dlp', 'bob@example.com')], []]);
  });
});
