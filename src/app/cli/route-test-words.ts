/** What `postern route test` says of a server, for a person and as JSON. */
import type { CertificateFacts, Probe } from '../../adapters/smtp-probe/index.ts';
import { printable } from './output.ts';
import type { RouteVerdict } from './route-verdict.ts';

/** A server that was tried. `probe` is null where this Postfix itself listens there, and nobody was asked. */
export type TriedServer = {
  readonly host: string | null;
  readonly address: string;
  readonly probe: Probe | null;
  readonly verdict: RouteVerdict;
};

/** What the server offers to the session in which mail would go. `size` is in octets; null where it sets no limit. */
export type Offers = {
  readonly dsn: boolean;
  readonly smtputf8: boolean;
  readonly eightBitMime: boolean;
  readonly size: number | null;
};

/** Null where the server was not asked, or did not come to that. */
export function offersOf({ probe, verdict }: TriedServer): Offers | null {
  if (probe === null) return null;
  const offers = verdict.level === 'none' ? probe.offers : (probe.offersInTls ?? probe.offers);
  if (offers === null) return null;
  const has = (keyword: string): boolean => offers.some((offer) => offer.split(/[ =]/)[0] === keyword);
  const size = Number(offers.find((offer) => /^SIZE [0-9]+$/.test(offer))?.slice(5) ?? 0);
  return {
    dsn: has('DSN'),
    smtputf8: has('SMTPUTF8'),
    eightBitMime: has('8BITMIME'),
    size: size > 0 ? size : null,
  };
}

/** The server in JSON. */
export const serverJson = ({ host, address, probe, verdict }: TriedServer): object => ({
  host,
  address,
  isOurselves: probe === null,
  delivers: verdict.delivers,
  reason: verdict.reason,
  level: verdict.level === '' ? null : verdict.level,
  comparedWith: verdict.comparedWith,
  matching: verdict.matching,
  ...(probe !== null && {
    ...probe,
    certificate: probe.certificate === null ? null : certificateJson(probe.certificate),
  }),
});

const certificateJson = ({ fault, validFrom, validTo, ...certificate }: CertificateFacts): object => ({
  ...certificate,
  validFrom: new Date(validFrom).toISOString(),
  validTo: new Date(validTo).toISOString(),
  isTrusted: fault === null,
  fault,
});

/** The server for a person, a line a step. `anchors`: whose CAs were asked. */
export function describeServer(
  { host, address, probe, verdict }: TriedServer,
  port: number,
  anchors: string,
): string[] {
  const place = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const title = host === null ? place : `${place} (${host})`;
  if (probe === null) return [title, line('refused', verdict.reason)];
  const { fault } = probe;
  return [
    title,
    ...(probe.greeting === null ? [] : [line('greeting', probe.greeting)]),
    ...(probe.offers === null
      ? []
      : [line('EHLO', `${probe.name ?? ''}: ${listed(probe.offersInTls ?? probe.offers)}`)]),
    ...(probe.startTls === null ? [] : [line('STARTTLS', STARTTLS[probe.startTls])]),
    ...(probe.protocol === null ? [] : [line('TLS', `${probe.protocol}, ${probe.cipher ?? ''}`)]),
    ...(probe.certificate === null ? [] : describeCertificate(probe.certificate, anchors)),
    ...(verdict.comparedWith === null ? [] : [line('name', compared(verdict))]),
    ...(fault === null ? [] : [line('but', `the server ${fault.reason}`)]),
  ];
}

const STARTTLS = { 'not-offered': 'not offered', refused: 'offered, and refused', failed: 'offered', done: 'offered' };

function describeCertificate(certificate: CertificateFacts, anchors: string): string[] {
  const { subject, names, issuer, validTo, fault } = certificate;
  return [
    line('certificate', `${subject === '' ? 'no subject' : subject}; names ${listed(names)}; issuer ${issuer}`),
    line('valid until', new Date(validTo).toISOString()),
    line('verifies', fault === null ? `yes, by ${anchors}` : `no, by ${anchors}: ${fault}`),
  ];
}

const compared = ({ comparedWith, matching }: RouteVerdict): string =>
  `compared with ${listed(comparedWith ?? [])}: ${matching.length === 0 ? 'none fits' : `${listed(matching)} fits`}`;

const listed = (words: readonly string[]): string => (words.length === 0 ? 'none' : words.join(', '));

/** What a server said is shown, never obeyed. */
const line = (title: string, text: string): string => `  ${title.padEnd(12)} ${printable(text)}`;

type Summary = { readonly delivers: boolean; readonly reason: string; readonly offers: Offers | null };

/** What comes of it all. */
export function describeVerdict({ delivers, reason, offers }: Summary): string[] {
  const word = (isOffered: boolean): string => (isOffered ? 'yes' : 'no');
  const about =
    offers === null
      ? []
      : [
          `offers DSN ${word(offers.dsn)}, SMTPUTF8 ${word(offers.smtputf8)}, 8BITMIME ${word(offers.eightBitMime)}, ` +
            `SIZE ${offers.size === null ? 'without limit' : `${offers.size} octets`}`,
          ...(offers.dsn
            ? []
            : ['without DSN, that server may send bounces itself although a rule says suppressBounces']),
        ];
  return [...about, `${delivers ? 'Postfix would deliver' : 'Postfix would not deliver'}: ${printable(reason)}`];
}
