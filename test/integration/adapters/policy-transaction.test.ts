/** Policy attributes as the facts of a transaction. */
import { describe, expect, it } from 'vitest';
import { readQuestion } from '../../../src/adapters/policy-server/transaction.ts';
import { PolicyDecoder, type PolicyRequest } from '../../../src/wire/policy/index.ts';
import { policyRequest } from './peers.ts';

function requestOf(attributes: Record<string, string>, state = 'RCPT'): PolicyRequest {
  const [event] = new PolicyDecoder().receive(Buffer.from(policyRequest(attributes, state)));
  if (event?.kind !== 'request') throw new Error('not one request');
  return event.request;
}

const read = (attributes: Record<string, string>) => readQuestion(requestOf(attributes))!;

describe('what a request says', () => {
  it('an empty value means that the fact is absent', () => {
    const { transaction, context } = read({ instance: '', client_name: '' });
    expect(transaction).toMatchObject({ stage: 'rcpt', saslUsername: null, daemonName: null, encrypted: false });
    expect(context).toEqual({ queueId: null, instance: null, clientName: null });
  });

  it('names, queue id and user are taken as they are', () => {
    const { transaction, context } = read({ queue_id: '4Zx', instance: 'i.1', sasl_username: 'ann@a.example' });
    expect(transaction.saslUsername).toBe('ann@a.example');
    expect(context).toEqual({ queueId: '4Zx', instance: 'i.1', clientName: 'mail.remote.example' });
  });

  it('the client name "unknown" is none', () => {
    expect(read({ client_name: 'unknown' }).context.clientName).toBeNull();
  });

  it.each([
    ['192.0.2.1', { kind: 'smtp', address: { family: 4, value: 0xc000_0201 } }],
    ['2001:db8::1', { kind: 'smtp', address: { family: 6, w0: 0x2001_0db8, w1: 0, w2: 0, w3: 1 } }],
    ['::ffff:192.0.2.1', { kind: 'smtp', address: { family: 4, value: 0xc000_0201 } }],
    ['unknown', { kind: 'unknown' }],
    ['', { kind: 'unknown' }],
    ['010.0.0.1', { kind: 'unknown' }],
  ])('client_address "%s"', (text, client) => {
    expect(read({ client_address: text }).transaction.client).toEqual(client);
  });

  it('a session is encrypted when its protocol is named', () => {
    expect(read({ encryption_protocol: 'TLSv1.3' }).transaction.encrypted).toBe(true);
  });

  it('an empty sender is the null reverse-path', () => {
    expect(read({ sender: '' }).transaction.sender).toBeNull();
  });

  it('POL-03 a sender with "=" and a quoted local-part stay whole', () => {
    expect(read({ sender: 'bounce=alice=example.org@lists.example.net' }).transaction.sender).toMatchObject({
      localPart: 'bounce=alice=example.org',
      domain: 'lists.example.net',
    });
    expect(read({ sender: '"a b"@example.org' }).transaction.sender).toMatchObject({
      localPart: '"a b"',
      domain: 'example.org',
    });
  });

  it('a recipient without a domain is still a question', () => {
    expect(read({ recipient: 'postmaster' }).transaction.recipient).toMatchObject({ text: 'postmaster', domain: null });
  });

  it('an attribute that is not there at all is absent', () => {
    const question = readQuestion(
      new Map([
        ['protocol_state', 'RCPT'],
        ['recipient', 'x@a.example'],
      ]),
    );
    expect(question?.transaction).toMatchObject({ client: { kind: 'unknown' }, sender: null, encrypted: false });
  });
});
