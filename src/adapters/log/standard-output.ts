/**
 * Standard output for lines that must not hold up an answer: gathered for some milliseconds, written in the background
 * in one piece, dropped above a limit where nobody takes them, and said so when somebody does again.
 * Never throws.
 */
import { pino, type DestinationStream } from 'pino';

/** How many characters may wait to be written, beside the piece that is being written. */
const MAX_WAITING = 16 * 1024 * 1024;
/** One write for all lines of this time: a write for each would cost more than all the rest of an answer. */
const GATHER_MS = 10;

/** Lines to standard output. What is left is written when the process exits. */
export function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: false });
  let lines: string[] = [];
  let waiting = 0;
  let dropped = 0;
  let isWriting = false;
  let isGone = false;
  let timer: NodeJS.Timeout | undefined;

  const passOn = (): void => {
    timer = undefined;
    if (dropped > 0) {
      const fields = { level: 'warn', time: new Date().toISOString(), dropped, msg: 'log lines were dropped' };
      lines.push(`${JSON.stringify(fields)}\n`);
    }
    if (lines.length === 0 || isGone) return;
    const piece = lines.join('');
    lines = [];
    waiting = 0;
    dropped = 0;
    isWriting = true;
    output.write(piece);
  };
  const schedule = (): void => {
    if (timer === undefined && !isWriting) timer = setTimeout(passOn, GATHER_MS);
  };

  output.on('drain', () => {
    isWriting = false;
    if (lines.length > 0 || dropped > 0) schedule();
  });
  output.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has gone for good. Any other error, such as a full disk, leaves its piece to be written with the next.
    if (error.code === 'EPIPE') isGone = true;
    isWriting = false;
  });
  // Before the handler with which pino writes out what it was given.
  process.prependListener('exit', passOn);

  return {
    write(line: string) {
      if (isGone) return;
      if (waiting + line.length > MAX_WAITING) {
        dropped += 1;
        return;
      }
      lines.push(line);
      waiting += line.length;
      schedule();
    },
  };
}
