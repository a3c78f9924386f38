/** The face of the Postfix at hand. */
export { readAppliedRecord, withRecordLock, writeAppliedRecord } from './applied-record.ts';
export { changePostfix, type ChangeOutcome } from './change-postfix.ts';
export { readConfiguration } from './configuration-files.ts';
export { classesOf } from './domain-classes.ts';
export { queuedFor } from './queue.ts';
export { readPostfix, type PostfixFacts } from './read-postfix.ts';
export { readDefaults } from './rehearsal.ts';
