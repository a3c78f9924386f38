/**
 * What a policy request asks in our words: the transaction of one recipient, or nothing that needs a decision.
 * Never decides, and never fails: what is not an address stays a fact about the client.
 * Source: Postfix SMTPD_POLICY_README, "Protocol description".
 */
import type { Client, RecipientTransaction } from '../../decide/index.ts';
import { parseAddress, parseClientAddress } from '../../mail/index.ts';
import type { MessageContext } from '../../services/index.ts';
import type { PolicyRequest } from '../../wire/policy/index.ts';

/** One recipient to be judged, without the time, and what names its message. */
export type RecipientQuestion = {
  readonly transaction: Omit<RecipientTransaction, 'at'>;
  readonly context: MessageContext;
};

/**
 * The question of a request; null where there is nothing to decide. Only RCPT asks about one recipient: in DATA and
 * later `recipient` is there for single-recipient messages only, and was judged already.
 * Source: Postfix SMTPD_POLICY_README, notes on `recipient` and `protocol_state`.
 */
export function readQuestion(request: PolicyRequest): RecipientQuestion | null {
  if (request.get('protocol_state') !== 'RCPT') return null;
  const recipient = parseAddress(request.get('recipient') ?? '');
  if (recipient === null) return null;
  return {
    transaction: {
      stage: 'rcpt',
      client: readClient(request),
      saslUsername: present(request, 'sasl_username'),
      daemonName: null,
      encrypted: present(request, 'encryption_protocol') !== null,
      sender: parseAddress(request.get('sender') ?? ''),
      recipient,
    },
    context: {
      queueId: present(request, 'queue_id'),
      instance: present(request, 'instance'),
      clientName: readClientName(request),
    },
  };
}

/** Postfix sends every name; an empty value means that the fact is not there. */
function present(request: PolicyRequest, name: string): string | null {
  const value = request.get(name);
  return value === undefined || value === '' ? null : value;
}

function readClient(request: PolicyRequest): Client {
  const address = parseClientAddress(request.get('client_address') ?? '');
  return address === null ? { kind: 'unknown' } : { kind: 'smtp', address };
}

/** `unknown` is Postfix's word for a client whose name is not verified. */
function readClientName(request: PolicyRequest): string | null {
  const name = present(request, 'client_name');
  return name === 'unknown' ? null : name;
}
