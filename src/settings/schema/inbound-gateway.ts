/** What an own domain's inbound gateway may be: the servers that take its mail first. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { ipRange } from './ip-entries.ts';
import { flag, oneOf, routeName, text } from './values.ts';

/** The inbound gateway of an own domain. */
export const inboundGateway = z.strictObject(
  {
    enabled: flag('whether the gateway settings act'),
    ips: z
      .array(ipRange, { error: 'must be a list of IP addresses and ranges' })
      .default([])
      .describe('every address and range of the gateway, the inner hops included'),
    onlyFromGateway: flag('refuse mail for this domain that does not come through the gateway'),
    internalThroughGateway: routeName('the route that internal mail takes out to the gateway and back').optional(),
    spamPattern: text(LIMITS.patternLength, 'a regular expression (RE2); a matching header line marks the mail as spam')
      .min(1, { error: 'is empty; leave the key out for no pattern' })
      .optional(),
    skipSpamFilter: flag('tell later filters not to judge mail that came through the gateway'),
    blockedBehindGateway: oneOf(
      ['reject', 'quarantine', 'discard'],
      'what happens at end of message to mail whose true client behind the gateway is blocked',
    ).default('reject'),
  },
  { error: 'must be a group of keys, such as { enabled: true, ips: [192.0.2.10] }' },
);
