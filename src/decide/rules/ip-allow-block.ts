/**
 * Allowed and blocked IPs of one own domain, asked about the true client. Allow beats block, whatever the widths.
 * Trust does not matter here: a blocked address is refused on every path, unless it is allowed.
 */
import { findInIpSet, formatIpAddress, lineInIpSet, permanent, type IpAddress } from '../../mail/index.ts';
import type { ListedIp, ListedIps } from '../../snapshot/index.ts';
import { noObjection, reason, type Finding, type Rule, type RuleInput } from './finding.ts';

/** Said to a client that the own domain does not take mail from. */
export const BLOCKED = permanent('550', '5.7.1', 'Client address blocked by receiving domain policy');

function apply({ policy, transaction, trueClient }: RuleInput): Finding {
  const { address } = trueClient;
  if (address === null) {
    const why = trueClient.throughGateway ? 'the client is a gateway' : 'there is no client address';
    return noObjection(reason('ip-allow', null, `not asked: ${why}`), reason('ip-block', null, `not asked: ${why}`));
  }
  const allowed = findInIpSet(policy.allowed.set, address, transaction.at);
  if (allowed >= 0) {
    const because = reason('ip-allow', ...describeHit(policy.allowed, allowed, address, 'allowed by'));
    const overBlock = reason('ip-block', policy.blocked.pointer, 'not asked: allow beats block');
    return { ...noObjection(because, overBlock), because, bypassSpamFilter: true };
  }
  const notAllowed = reason('ip-allow', policy.allowed.pointer, `${formatIpAddress(address)} is not in the list`);
  const blocked = findInIpSet(policy.blocked.set, address, transaction.at);
  if (blocked < 0) {
    return noObjection(
      notAllowed,
      reason('ip-block', policy.blocked.pointer, `${formatIpAddress(address)} is not in the list`),
    );
  }
  const because = reason('ip-block', ...describeHit(policy.blocked, blocked, address, 'blocked by'));
  return { reasons: [notAllowed, because], because, refusal: { kind: 'reject', reply: BLOCKED } };
}

function describeHit(list: ListedIps, index: number, address: IpAddress, verb: string): [string, string] {
  const { text, file, note: why } = list.entries[index] as ListedIp;
  const name = file === undefined ? text : `${file}:${lineInIpSet(list.set, address)}`;
  const note = why === undefined ? '' : ` (${why})`;
  return [`${list.pointer}/${index}`, `${formatIpAddress(address)} is ${verb} ${name}${note}`];
}

/** Allowed and blocked IPs. */
export const ipAllowBlock: Rule = { ids: ['ip-allow', 'ip-block'], apply };
