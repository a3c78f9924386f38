/** The face of the words of mail: pure values and parsers, nothing of Postern. */
export * from './address.ts';
export * from './authentication-results.ts';
export * from './domain.ts';
export * from './duration.ts';
export * from './encoded-recipient.ts';
export * from './ip-address.ts';
export * from './ip-list-input.ts';
export * from './ip-range.ts';
export * from './ip-set.ts';
export * from './message-text.ts';
export * from './private-address.ts';
export * from './received.ts';
export * from './recipient-list.ts';
export * from './recipient-name.ts';
export * from './result.ts';
export * from './shared-senders.ts';
export * from './smtp-reply.ts';
