/**
 * The policy door: Postfix's smtpd asks about each recipient here.
 * Never decides, never answers OK, and in normal life never closes a connection first.
 * Source: Postfix SMTPD_POLICY_README.
 */
import type { Buffer } from 'node:buffer';
import { POLICY_FAILURE_ACTION, renderPolicyAction } from '../../answers/index.ts';
import type { RecipientDecision } from '../../decide/index.ts';
import type { Judge } from '../../services/index.ts';
import { encodeAction, PolicyDecoder, type PolicyEvent } from '../../wire/policy/index.ts';
import { converse, openDoor, type DoorOptions, type OpenDoor } from '../socket/index.ts';
import { readQuestion } from './transaction.ts';

/** How the policy door is opened. `maxRequestBytes` is 65,536 where absent. */
export type PolicyDoorOptions = Omit<DoorOptions, 'door' | 'onConnection'> & {
  readonly judge: Judge;
  readonly maxRequestBytes?: number;
};

type Request = PolicyEvent & { readonly kind: 'request' };

const NOTHING_TO_SAY = encodeAction('DUNNO');
const FAILURE = encodeAction(POLICY_FAILURE_ACTION);

/** Opens the policy door. Errors: CannotListenError. */
export function openPolicyDoor(options: PolicyDoorOptions): Promise<OpenDoor> {
  const { judge, log, meters, maxRequestBytes } = options;
  return openDoor({
    ...options,
    door: 'policy',
    onConnection: (socket, peer) =>
      converse<Request>(socket, peer, {
        door: 'policy',
        decoder: new PolicyDecoder(maxRequestBytes === undefined ? {} : { maxRequestBytes }),
        answer: (event) => answer(event, judge),
        failureAnswer: FAILURE,
        log,
        meters,
      }),
  });
}

function answer({ request }: Request, judge: Judge): Buffer | Promise<Buffer> {
  const question = readQuestion(request);
  if (question === null) return NOTHING_TO_SAY;
  const decision = judge.judgeRecipient(question.transaction, question.context);
  return decision instanceof Promise ? decision.then(octetsOf) : octetsOf(decision);
}

function octetsOf({ verdict }: RecipientDecision): Buffer {
  return verdict.kind === 'pass' ? NOTHING_TO_SAY : encodeAction(renderPolicyAction(verdict));
}
