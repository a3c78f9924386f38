/** The attackers of a flood by their number: who they are, how often they ask, and whether that blocks them. */
import type { Question } from '../policy-volume/steady.ts';

/** So many hits block. */
export const AFTER = 10;

const autoBlock = { after: AFTER, within: '10m', for: '1h' };

/** The settings that the flood meets. */
export const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      domains: {
        'a.example': {
          autoBlock,
          blockedIps: ['10.0.0.0/8', '2001:db8:8000::/33'],
          allowedIps: ['10.255.0.0/16'],
        },
        'b.example': {
          autoBlock,
          allowedIps: ['10.255.0.0/16'],
          inboundGateway: { enabled: true, ips: ['192.0.2.10'], onlyFromGateway: true },
        },
      },
    },
  },
};

/** The clients that no count may reach, and what they are told. */
export const friends: readonly Question[] = [
  ['198.51.100.9', 'a.example', 'DUNNO'],
  ['172.16.0.5', 'a.example', 'DUNNO'],
  ['172.16.0.5', 'b.example', 'DUNNO'],
  ['10.255.0.1', 'a.example', 'DUNNO'],
  ['192.0.2.10', 'b.example', 'DUNNO'],
  // The switch is about the path, so an allowed IP is refused; a count of it would block it.
  ['10.255.0.1', 'b.example', '550 5.7.1 '],
].map(([client = '', domain = '', answer = '']) => ({
  attributes: { client_address: client, recipient: `known@${domain}` },
  answer,
}));
/** The networks that the friends at 172.16.0.0/16 are trusted for. */
export const trustedNetworks = ['127.0.0.0/8', '172.16.0.0/16'];

/** One attacker. An IPv6 one is a /64, of which it takes another address each time. */
export type Attacker = {
  readonly domain: string;
  /** The client as the list of blocks shows it. */
  readonly client: string;
  readonly address: (request: number) => string;
  /** How often it asks. */
  readonly requests: number;
};

const hex = (number: number): string => number.toString(16).padStart(3, '0');

/** Attacker `number`, from 0 to below 2^23: in turn one that the block list refuses and one that goes around the gateway. */
export function attackerOf(number: number): Attacker {
  const isListed = number % 2 === 0;
  const domain = isListed ? 'a.example' : 'b.example';
  const requests = requestsOf(number);
  if (number % 4 < 2) {
    const client = [isListed ? 10 : 11, number >>> 16, (number >>> 8) & 255, number & 255].join('.');
    return { domain, client, address: () => client, requests };
  }
  // Third group from 9000 on: listed.
  const network = `2001:db8:${isListed ? 9 : 1}${hex(number >>> 12)}:1${hex(number & 0xfff)}::`;
  return { domain, client: `${network}/64`, address: (request) => `${network}${(request + 1).toString(16)}`, requests };
}

/** In the place of attacker `number` a client that nobody refuses, which asks as often. */
export function ordinaryOf(number: number): Attacker {
  const client = `198.51.${number % 100}.9`;
  return { domain: 'a.example', client, address: () => client, requests: requestsOf(number) };
}

/** Of a thousand, four cross the threshold by two and four stay one below it; the others ask once or twice. */
function requestsOf(number: number): number {
  const place = number % 1000;
  if (place < 4) return AFTER + 2;
  if (place >= 500 && place < 504) return AFTER - 1;
  return 1 + (number % 3 === 0 ? 1 : 0);
}

/** Whether the attacker asks often enough to be blocked. */
export const isBlocked = ({ requests }: Attacker): boolean => requests >= AFTER;
