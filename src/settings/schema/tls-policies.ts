/** What TLS policies may be: to and from which domains mail travels encrypted only. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { domainName, flag, someOf, text } from './values.ts';

const policy = z.strictObject(
  {
    title: text(LIMITS.titleLength, 'what the policy is for').regex(/\S/, {
      error: 'is empty; give the policy a title',
    }),
    applyTo: someOf(['incoming', 'outgoing'], 'which mail the policy is for'),
    domains: z
      .array(domainName('a peer domain'), { error: 'must be a list of domains' })
      .min(1, { error: 'is empty; name the domains that the policy is for' })
      // The limit counts without duplicates, so the rules check it.
      .transform((list) => [...new Set(list)])
      .describe('the peer domains'),
    trustedCa: flag('outgoing: the server certificate must come from a trusted CA'),
    hostnameMatch: flag('outgoing: the server certificate must carry the name of the server'),
  },
  { error: 'must be a policy, such as { title: Bank, applyTo: [outgoing], domains: [bank.example] }' },
);

/** The TLS policies of an own domain. */
export const tlsPolicies = z
  .array(policy, { error: 'must be a list of policies' })
  .max(LIMITS.tlsPolicies, {
    error: `holds more than ${LIMITS.tlsPolicies} policies; put domains that need the same into one`,
  })
  .describe('to and from which domains mail travels encrypted only');
