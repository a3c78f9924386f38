/** The face of the log. */
export { createLog, type LogOptions } from './log.ts';
