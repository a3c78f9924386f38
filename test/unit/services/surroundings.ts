/** What surrounds the settings in tests: loopback is trusted, no Postfix is at hand unless given. */
import { parseDomain, parseIpAddress, parseIpRange, type IpRange } from '../../../src/mail/index.ts';
import type { Surroundings } from '../../../src/services/index.ts';
import type { SmtpdListener } from '../../../src/snapshot/index.ts';

type Given = {
  readonly trustedNetworks?: readonly string[];
  readonly smtpdListeners?: readonly SmtpdListener[];
  readonly localAddresses?: readonly string[];
};

export function surroundings(given: Given = {}): Surroundings {
  const { trustedNetworks = ['127.0.0.0/8', '::1'], smtpdListeners = [], localAddresses = [] } = given;
  const internalDomain = parseDomain('route.postern.internal');
  if (!internalDomain.ok) throw new Error(internalDomain.error);
  return {
    host: {
      trustedNetworks: trustedNetworks.map(rangeOf),
      internalDomain: internalDomain.value,
      reinjectionServices: [],
      authservId: 'mx.example.com',
      recipientDelimiter: '',
    },
    postfix: {
      smtpdListeners,
      localAddresses: localAddresses.map((text) => parseIpAddress(text)).filter((address) => address !== null),
    },
  };
}

function rangeOf(text: string): IpRange {
  const range = parseIpRange(text);
  if (!range.ok) throw new Error(range.error.message);
  return range.value;
}
