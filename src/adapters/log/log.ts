/**
 * The log as JSON lines: `level` as a word, `time` in ISO form, the fields, and `msg`.
 * Never throws.
 */
import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino';
import type { Log } from '../../services/index.ts';
import { standardOutput } from './standard-output.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];
type Fields = Readonly<Record<string, unknown>>;

/** `level`: the least that is written, one of debug, info, warn and error. `destination`: standard output where absent. */
export type LogOptions = { readonly level: string; readonly destination?: DestinationStream };

/** Makes the log. Errors: RangeError where there is no such level. */
export function createLog(options: LogOptions): Log {
  const least = LEVELS.findIndex((level) => level === options.level);
  if (least === -1) throw new RangeError(`there is no log level "${options.level}"; write ${LEVELS.join(', ')}`);
  const destination = options.destination ?? standardOutput();
  const timestamp = createTimestamp();
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
    },
    destination,
  );
  const writer = (level: Level): Log[Level] => {
    if (LEVELS.indexOf(level) < least) return () => undefined;
    return (message, fields = {}) => {
      const line = plainLine(level, timestamp(), message, fields);
      if (line === null) writeAnything(logger, level, message, fields);
      else destination.write(line);
    };
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

/**
 * The line that pino would write, made in a quarter of the time: each answer costs one. Null where the fields hold an
 * error or what JSON does not have; pino knows what to do with those.
 */
function plainLine(level: Level, time: string, message: string, fields: Fields): string | null {
  if (fields.err !== undefined) return null;
  try {
    const inner = JSON.stringify(fields).slice(1, -1);
    return `{"level":"${level}"${time}${inner === '' ? '' : ','}${inner},"msg":${JSON.stringify(message)}}\n`;
  } catch {
    return null;
  }
}

function writeAnything(logger: Logger, level: Level, message: string, fields: Fields): void {
  try {
    logger[level](fields, message);
  } catch (error) {
    // A field that cannot be shown, such as an error that cannot be marked as seen: the message matters more.
    logger[level]({ unwritable_fields: error instanceof Error ? error.message : 'unknown' }, message);
  }
}

/** The time as pino puts it into a line. Many lines have the same millisecond, and its text is costly to make. */
function createTimestamp(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}
