/** What a named route may be: another mail server, and how it is reached. */
import { z } from 'zod';
import { addressWords, formatIpAddress, parseDomain, parseIpAddress } from '../../mail/index.ts';
import { LIMITS } from '../limits.ts';
import { domainName, flag, oneOf, text, wholeNumber } from './values.ts';

/** How a connection to a route's server is protected, weakest first. Source: Postfix TLS_README, "TLS security levels". */
const ROUTE_TLS = ['none', 'may', 'encrypt', 'verify', 'secure', 'dane'] as const;

/** A route's host as map files and answers may hold it: a name (A-labels) or an IP address, without brackets. */
const host = z
  .string({ error: 'must be a host name or an IP address' })
  .transform((typed, context): string => {
    const bare = /^\[.*\]$/.test(typed) ? typed.slice(1, -1) : typed;
    const refuse = (message: string): never => {
      context.issues.push({ code: 'custom', message: `"${typed}" ${message}`, input: typed });
      return z.NEVER;
    };
    const address = parseIpAddress(bare);
    // A connection to 0.0.0.0 or :: ends at this host itself.
    if (address !== null && addressWords(address).every((word) => word === 0)) return refuse('is no server; name one');
    if (address !== null) return formatIpAddress(address);
    const domain = parseDomain(bare);
    return domain.ok ? domain.value : refuse(`is no host: it is no IP address, and as a name it ${domain.error}`);
  })
  .describe('the server: a host name, an IPv4 or an IPv6 address');

/** A named route of an organization. What an IP address cannot be, the rules check. */
export const route = z.strictObject(
  {
    host,
    port: wholeNumber(1, 65_535, 'the TCP port of the server').default(25),
    mx: flag('look the host up as MX instead of connecting to it'),
    tls: oneOf(ROUTE_TLS, 'how the connection is protected').default('may'),
    certificateName: domainName('the name that the server certificate must carry').optional(),
    description: text(LIMITS.noteLength, 'what the route is for').optional(),
  },
  { error: 'must be a group of keys, such as { host: archive.example.net }' },
);
