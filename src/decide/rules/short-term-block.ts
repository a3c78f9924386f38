/**
 * The automatic block of the true client by one own domain: refused as an entry of the block list would be, with the
 * same text. Allowed IPs and trusted clients are exempt; where the true client is not known the rule does not act.
 * Never makes, counts or forgets a block: it is a fact that comes in.
 */
import { findInIpSet, formatIpAddress } from '../../mail/index.ts';
import { noObjection, reason, type Finding, type Rule, type RuleInput } from './finding.ts';
import { BLOCKED } from './ip-allow-block.ts';

function apply({ policy, transaction, trust, trueClient }: RuleInput): Finding {
  if (policy.autoBlock === null) return noObjection(reason('short-term-block', null, 'not set'));
  const setting = policy.autoBlock.pointer;
  const { shortTermBlock: block, at } = transaction;
  if (block === undefined || at >= block.until) {
    return noObjection(reason('short-term-block', setting, 'no block of the client is known'));
  }
  const { address } = trueClient;
  if (address === null) return noObjection(reason('short-term-block', setting, 'not asked: the client is not known'));
  if (findInIpSet(policy.allowed.set, address, at) >= 0) {
    return noObjection(reason('short-term-block', setting, 'not asked: allow beats block'));
  }
  if (trust.trusted) return noObjection(reason('short-term-block', setting, `exempt: ${trust.text}`));
  const until = new Date(block.until).toISOString();
  const because = reason(
    'short-term-block',
    setting,
    `${formatIpAddress(address)} is blocked until ${until}: ${block.reason}`,
  );
  return { reasons: [because], because, refusal: { kind: 'reject', reply: BLOCKED } };
}

/** Automatic short-term blocks. */
export const shortTermBlock: Rule = { ids: ['short-term-block'], apply };
