/** What inbound and outbound routing rules may be. The first rule that matches a recipient wins. */
import { z } from 'zod';
import { flag, oneOf, routeName, someOf } from './values.ts';

const mail = someOf(
  ['external', 'internal'],
  'internal: sender and recipient in this own domain and a trusted client; external: all else',
);

/** Where mail for recipients of an own domain goes. */
export const inboundRouting = z
  .array(
    z.strictObject(
      {
        mail,
        recipients: someOf(['existing', 'missing'], 'which recipients the rule is for; absent: existing').default([
          'existing',
        ]),
        route: routeName('the route that the recipient is delivered to'),
        alsoSave: flag('deliver here too (existing recipients only)'),
        suppressBounces: flag('a failure at the route makes no bounce'),
      },
      { error: 'must be a rule, such as { mail: [external], route: archive }' },
    ),
    { error: 'must be a list of rules' },
  )
  .describe('where mail for recipients of this domain goes');

/** Where mail from trusted senders of an own domain goes. */
export const outboundRouting = z
  .array(
    z.strictObject(
      {
        mail,
        action: oneOf(
          ['change', 'additionally'],
          "change: deliver through the route; additionally: one extra copy to the route, under the sender's own address",
        ),
        route: routeName('the route'),
      },
      { error: 'must be a rule, such as { mail: [external], action: change, route: dlp }' },
    ),
    { error: 'must be a list of rules' },
  )
  .describe('where mail from trusted senders of this domain goes');
