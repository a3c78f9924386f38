/**
 * Mail for a domain with `onlyFromGateway` comes through its gateway or from a trusted client. The rule is about the
 * path: an allowed IP is refused too. A client without an IP address (a socket) is no stranger from the network.
 */
import { permanent } from '../../mail/index.ts';
import type { Reason } from '../decision.ts';
import { noObjection, reason, type Finding, type Rule, type RuleInput } from './finding.ts';

const NOT_THE_PATH = permanent('550', '5.7.1', 'This domain accepts mail only through its inbound gateway');

function apply({ policy, transaction, trust, trueClient }: RuleInput): Finding {
  const { gateway } = policy;
  if (!gateway?.onlyFromGateway) return noObjection(reason('gateway-only', null, 'not set'));
  const setting = `${gateway.pointer}/onlyFromGateway`;
  if (trueClient.throughGateway) return takenBecause(reason('gateway-only', setting, 'came through the gateway'));
  if (trust.trusted) return takenBecause(reason('gateway-only', setting, `exempt: ${trust.text}`));
  if (transaction.client.kind !== 'smtp') return takenBecause(reason('gateway-only', setting, 'exempt: no IP client'));
  const because = reason('gateway-only', setting, 'the client is neither trusted nor an address of the gateway');
  return {
    reasons: [because],
    because,
    refusal: { kind: 'reject', reply: NOT_THE_PATH },
  };
}

const takenBecause = (because: Reason): Finding => ({ ...noObjection(because), because });

/** Gateway-only acceptance. */
export const gatewayOnly: Rule = { ids: ['gateway-only'], apply };
