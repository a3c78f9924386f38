import { describe, expect, it } from 'vitest';
import { POLICY_FAILURE_ACTION, renderPolicyAction } from '../../../src/answers/index.ts';
import type { Verdict } from '../../../src/decide/index.ts';
import { permanent, transient } from '../../../src/mail/index.ts';
import { encodeAction } from '../../../src/wire/policy/index.ts';

describe('the policy action of a verdict', () => {
  it.each<[string, Verdict, string]>([
    ['POL-09 pass', { kind: 'pass' }, 'DUNNO'],
    [
      'reject',
      { kind: 'reject', reply: permanent('550', '5.7.1', 'Client address blocked') },
      '550 5.7.1 Client address blocked',
    ],
    ['defer', { kind: 'defer', reply: transient('451', '4.3.0', 'Try again') }, '451 4.3.0 Try again'],
  ])('%s is %o', (_, verdict, action) => {
    expect(renderPolicyAction(verdict)).toBe(action);
    expect(encodeAction(renderPolicyAction(verdict)).toString()).toBe(`action=${action}\n\n`);
  });

  it('POL-06 of a failure is a deferral', () => {
    expect(encodeAction(POLICY_FAILURE_ACTION).toString()).toMatch(/^action=4[0-9]{2} 4\.[0-9.]+ [ -~]+\n\n$/);
  });
});
