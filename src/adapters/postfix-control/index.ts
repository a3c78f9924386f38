/** The face of the Postfix at hand. */
export { readAppliedRecord, withRecordLock, writeAppliedRecord } from './applied-record.ts';
export { changePostfix, type ChangeOutcome } from './change-postfix.ts';
export { readConfiguration } from './configuration-files.ts';
export { classesOf } from './domain-classes.ts';
export { readMaillogFile } from './log-file.ts';
export { openQueue, queuedFor } from './queue.ts';
export { readPostfix, type PostfixFacts, type SmtpClientFacts } from './read-postfix.ts';
export { createRecipientMaps } from './recipient-maps.ts';
export { readDefaults } from './rehearsal.ts';
