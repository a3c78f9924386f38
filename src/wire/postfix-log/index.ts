/**
 * The face of Postfix's log: bytes to lines, lines to what became of a message.
 * Never opens a file. Source: Postfix DEBUG_README, MAILLOG_README.
 */
export { LogLines, maxLogLineOctets } from './log-lines.ts';
export { parseLogLine, type PostfixLogEvent } from './log-line.ts';
export { parseLogTime } from './log-time.ts';
