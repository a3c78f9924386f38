/** The settings document, whole: what `settings.yaml` may hold. One schema for file, API, CLI, page and manual. */
import { z } from 'zod';
import { dkim } from './dkim.ts';
import { inboundGateway } from './inbound-gateway.ts';
import { ipEntries } from './ip-entries.ts';
import { route } from './routes.ts';
import { inboundRouting, outboundRouting } from './routing.ts';
import { tlsPolicies } from './tls-policies.ts';
import { domainName, duration, oneOf, wholeNumber } from './values.ts';

const mapSource = z.strictObject(
  {
    map: z
      .string({ error: 'must be a Postfix map, such as "hash:/etc/postfix/virtual"' })
      .regex(/^[a-z0-9_-]+:\P{Cc}+$/u, { error: 'must be a Postfix map, such as "hash:/etc/postfix/virtual"' }),
  },
  { error: 'must be the path of a file, or { map: "type:name" }' },
);

const recipients = z
  .array(
    z.union([z.string().min(1, { error: 'must be the path of a file' }), mapSource], {
      error: 'must be the path of a file, or { map: "type:name" }',
    }),
    { error: 'must be a list of files and maps' },
  )
  .min(1, { error: 'is empty; leave the key out where every recipient exists' })
  .describe('who exists: files of one address a line, and Postfix maps; absent: everybody does');

const autoBlock = z
  .strictObject(
    {
      after: wholeNumber(1, 1_000_000, 'how many refusals and spam-pattern hits'),
      within: duration('in which span of time they must fall'),
      for: duration('how long the client stays blocked'),
    },
    { error: 'must be a group of keys, such as { after: 20, within: 10m, for: 1h }' },
  )
  .describe('automatic short-term blocks; off unless set');

/** The settings of one own domain. */
export const domainSettings = z.strictObject(
  {
    enforcement: oneOf(['enforce', 'observe'], 'observe: decide, log and count, but touch nothing').default('enforce'),
    recipients: recipients.optional(),
    allowedIps: ipEntries('clients whose mail is received without spam filtering').default([]),
    blockedIps: ipEntries('clients whose mail is refused').default([]),
    autoBlock: autoBlock.optional(),
    inboundGateway: inboundGateway.optional(),
    inboundRouting: inboundRouting.default([]),
    outboundRouting: outboundRouting.default([]),
    dkim: dkim.optional(),
    tls: tlsPolicies.default([]),
  },
  { error: 'must be the settings of a domain; {} for none' },
);

/** An organization: a tenant with its domains and routes. */
export const organizationSettings = z.strictObject(
  {
    primaryDomain: domainName('the domain that decides what the organization may use'),
    routes: z
      .record(z.string(), route, { error: 'must be a group of routes by name' })
      .default({})
      .describe('routes by name, shared by inbound and outbound routing'),
    domains: z
      .record(z.string(), domainSettings, { error: 'must be a group of domains by name' })
      .describe('the own domains by name'),
  },
  { error: 'must be an organization, such as { primaryDomain: example.com, domains: { example.com: {} } }' },
);

/** The provider's part. */
export const providerSettings = z.strictObject(
  {
    sharedDomains: z
      .array(domainName('a suffix'), { error: 'must be a list of domain suffixes' })
      .default([])
      .describe('suffixes that belong to the provider'),
    signingDomain: domainName('the d= of signatures until a domain has an active key of its own').optional(),
  },
  { error: 'must be a group of keys, such as { sharedDomains: [shared.example] }' },
);

/** The whole document. */
export const settingsDocument = z.strictObject(
  {
    version: z.literal(1, { error: 'must be 1' }).describe('the format of this document'),
    provider: providerSettings.optional(),
    organizations: z
      .record(z.string(), organizationSettings, { error: 'must be a group of organizations by name' })
      .describe('the organizations by name'),
  },
  { error: 'must begin with "version: 1" and "organizations:"' },
);

/** Settings of one own domain, checked; every default filled in. */
export type DomainSettings = z.output<typeof domainSettings>;
/** A named route, checked. */
export type RouteSettings = z.output<typeof route>;
/** The provider's part, checked. */
export type ProviderSettings = z.output<typeof providerSettings>;
