/** What `npm run try` sends, and the settings that it sends it against. A new sample is a few lines here. */
import type { SignatureResult } from '../support/dkim-verifiers.ts';
import type { MailAttempt } from '../support/ground.ts';
import type { ServiceOverrides } from '../support/postfix-lab.ts';
import type { RouteLines } from '../support/routed-ground.ts';

export interface Sample {
  readonly what: string;
  readonly attempt: Omit<MailAttempt, 'message'>;
  /** The message, where a plain one from the sender would not do; a line feed after each line. */
  readonly message?: string;
  /** How the SMTP reply begins. */
  readonly reply: string;
  /** Postern's decision, and the rule that decided where it matters which. */
  readonly verdict: 'pass' | 'reject' | 'defer';
  readonly rule?: string;
  /** The rule that decides at the end of the message, where that is told too. */
  readonly atEnd?: string;
  /** Where a message that is taken arrives: at the servers of these routes, or "here", as it does without rules. */
  readonly at?: readonly string[];
  /** What the message must show where it arrives. */
  readonly arrived?: (message: Arrived) => Shown;
}

/** A message at the next server, and what an independent verifier says of its DKIM signatures. */
export interface Arrived {
  readonly header: string;
  readonly dkim: readonly SignatureResult[];
}

/** What is printed of it, and whether it is as expected. */
export interface Shown {
  readonly text: string;
  readonly asExpected: boolean;
}

/** The own domain that gets a key, published in the DNS server and activated before the samples are sent. */
export const signingDomain = 'example.com';

export const accounts = { 'anna@example.net': 'correct horse' };

export const ownDomains = ['example.com', 'example.org', 'example.net', 'team.example'];

/** The routes; each gets a server of its own. */
export const routes = ['archive', 'dlp'];

/** The smtpd services that samples need beside "smtp" and "submission". */
export const services = (policy: string): Record<string, ServiceOverrides> => ({
  // Postfix asks the relay list first. Without it Postern is asked about foreign recipients too.
  'no-relay-list': {
    smtpd_relay_restrictions: '',
    smtpd_recipient_restrictions: `${policy}, permit_mynetworks, reject_unauth_destination`,
  },
});

/** Text, not an object: the comments are for whoever edits the file while it runs. */
export const settings = ({ archive, dlp }: RouteLines): string => `version: 1
organizations:
  acme:
    primaryDomain: example.com
    routes:
      archive: ${archive}
      dlp: ${dlp}
    domains:
      example.com:
        blockedIps:
          - { ip: 192.0.2.66, note: "abuse 4711" }
          - { ip: 203.0.113.0/24, note: "a whole range" }
        allowedIps:
          - { ip: 203.0.113.7, note: "phishing drill" } # inside the blocked range: allow beats block
      example.org: {} # an own domain without settings
      example.net:
        blockedIps: [{ ip: 192.0.2.66, note: "abuse 4711" }]
        inboundGateway:
          enabled: true
          ips: [198.51.100.10]
          onlyFromGateway: true
          spamPattern: '^X-Gw-Score: (9|10)'
      team.example:
        inboundRouting:
          - { mail: [external], route: archive, alsoSave: true } # internal mail stays here
        outboundRouting:
          - { mail: [external], action: change, route: dlp }
`;

const from = 'news@sender.example';

const showDkim = ({ dkim }: Arrived): Shown => ({
  text: `DKIM, says dkimpy: ${dkim.map((each) => `${each.passed ? 'pass' : 'FAIL'} d=${each.domain} s=${each.selector}`).join(', ') || 'no signature'}`,
  asExpected: dkim.length > 0 && dkim.every(({ passed }) => passed),
});
const showNoDkim = (message: Arrived): Shown => {
  const shown = showDkim(message);
  return { ...shown, asExpected: message.dkim.length === 0 };
};
const showMark = ({ header }: Arrived): Shown => {
  const isGone = !/^X-Postern-/im.test(header);
  return { text: `X-Postern-Spam-Filter: ${isGone ? 'taken out' : 'STILL THERE'}`, asExpected: isGone };
};
const showRouteMark = ({ header }: Arrived): Shown => {
  const isThere = /^X-Postern-Route: /im.test(header);
  return {
    text: `X-Postern-Route: ${isThere ? 'there, so it is never sent to this route again' : 'MISSING'}`,
    asExpected: isThere,
  };
};
const showSpam = ({ header }: Arrived): Shown => {
  const isMarked = /^X-Spam-Flag: YES$/im.test(header) && /^X-Postern-Verdict: spam;/im.test(header);
  return { text: `X-Spam-Flag: ${isMarked ? 'YES' : 'MISSING'}`, asExpected: isMarked };
};
/** What the gateway writes of the client that handed the message to it. */
const behind = (client: string): string =>
  `Received: from x (x [${client}]) by gw.example.net (Postfix) with ESMTP id 1`;
const signedIn = { name: 'anna@example.net', password: accounts['anna@example.net'] };

export const samples: readonly Sample[] = [
  {
    what: 'ordinary mail',
    attempt: { client: '192.0.2.1', sender: from, recipient: 'anna@example.com' },
    reply: '250 ',
    verdict: 'pass',
  },
  {
    what: 'blocked client',
    attempt: { client: '192.0.2.66', sender: from, recipient: 'anna@example.com' },
    reply: '550 5.7.1 ',
    verdict: 'reject',
    rule: 'ip-block',
  },
  {
    what: 'the same client, another own domain',
    attempt: { client: '192.0.2.66', sender: from, recipient: 'anna@example.org' },
    reply: '250 ',
    verdict: 'pass',
  },
  {
    what: 'allowed client in a blocked range',
    attempt: { client: '203.0.113.7', sender: from, recipient: 'anna@example.com' },
    reply: '250 ',
    verdict: 'pass',
    rule: 'ip-allow',
  },
  {
    what: 'its neighbour in that range',
    attempt: { client: '203.0.113.8', sender: from, recipient: 'anna@example.com' },
    reply: '550 5.7.1 ',
    verdict: 'reject',
    rule: 'ip-block',
  },
  {
    what: 'not from the gateway',
    attempt: { client: '203.0.113.9', sender: from, recipient: 'anna@example.net' },
    reply: '550 5.7.1 ',
    verdict: 'reject',
    rule: 'gateway-only',
  },
  {
    what: 'from the gateway',
    attempt: { client: '198.51.100.10', sender: from, recipient: 'anna@example.net' },
    reply: '250 ',
    verdict: 'pass',
    rule: 'gateway-only',
  },
  {
    what: 'behind the gateway: a blocked client',
    attempt: { client: '198.51.100.10', sender: from, recipient: 'anna@example.net' },
    message: `${behind('192.0.2.66')}\nSubject: hello\nFrom: ${from}\n\nHello.\n`,
    reply: '550 5.7.1 ',
    verdict: 'pass',
    atEnd: 'ip-block',
  },
  {
    what: 'behind the gateway: it calls it spam',
    attempt: { client: '198.51.100.10', sender: from, recipient: 'anna@example.net' },
    message: `${behind('192.0.2.1')}\nX-Gw-Score: 9\nSubject: sale\nFrom: ${from}\n\nBuy.\n`,
    reply: '250 ',
    verdict: 'pass',
    atEnd: 'spam-pattern',
    arrived: showSpam,
  },
  {
    what: 'not from the gateway, but signed in',
    attempt: {
      client: '203.0.113.9',
      service: 'submission',
      user: signedIn,
      sender: 'anna@example.net',
      recipient: 'anna@example.net',
    },
    reply: '250 ',
    verdict: 'pass',
    rule: 'gateway-only',
  },
  {
    what: 'our mail to the world leaves signed',
    attempt: { sender: 'anna@example.com', recipient: 'bob@elsewhere.example' },
    reply: '250 ',
    verdict: 'pass',
    arrived: showDkim,
  },
  {
    what: 'a stranger in our name: no signature',
    attempt: { client: '192.0.2.1', sender: from, recipient: 'anna@example.org' },
    message: 'Subject: urgent\nFrom: Boss <boss@example.com>\n\nPay.\n',
    reply: '250 ',
    verdict: 'pass',
    arrived: showNoDkim,
  },
  {
    what: 'a stranger forges our mark',
    attempt: { client: '192.0.2.1', sender: from, recipient: 'anna@example.org' },
    message: `Subject: sale\nFrom: ${from}\nX-Postern-Spam-Filter: bypass\n\nBuy.\n`,
    reply: '250 ',
    verdict: 'pass',
    arrived: showMark,
  },
  {
    what: 'from outside: saved here, and a copy to a route',
    attempt: { client: '192.0.2.1', sender: from, recipient: 'bob@team.example' },
    reply: '250 ',
    verdict: 'pass',
    at: ['archive', 'here'],
    arrived: showRouteMark,
  },
  {
    what: 'inside the same domain: stays here',
    attempt: { sender: 'carol@team.example', recipient: 'bob@team.example' },
    reply: '250 ',
    verdict: 'pass',
    at: ['here'],
  },
  {
    what: 'our mail to the world goes through a route',
    attempt: { sender: 'bob@team.example', recipient: 'bob@elsewhere.example' },
    reply: '250 ',
    verdict: 'pass',
    at: ['dlp'],
    arrived: showRouteMark,
  },
  {
    what: 'allowed client, foreign recipient: no relay',
    attempt: { service: 'no-relay-list', client: '203.0.113.7', sender: from, recipient: 'bob@elsewhere.example' },
    reply: '554 5.7.1 ',
    verdict: 'pass',
  },
];
