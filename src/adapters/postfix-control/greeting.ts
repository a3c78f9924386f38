/**
 * Whether smtpd answers: a connection, and the first reply of the server. Sends nothing but QUIT.
 * Source: RFC 5321 §3.1.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatIpAddress } from '../../mail/index.ts';
import type { SmtpdListener } from '../../snapshot/index.ts';

const LOOK_EVERY_MS = 200;

/** A listener as a place to connect to: where it listens everywhere, this host. */
export const placeOf = ({ address, port }: SmtpdListener): { readonly host: string; readonly port: number } => ({
  host: address === null ? '127.0.0.1' : formatIpAddress(address),
  port,
});

/** Those of the listeners that greet within `withinMs`, asked all at once. */
export async function greetingAmong(listeners: readonly SmtpdListener[], withinMs: number): Promise<SmtpdListener[]> {
  const answers = await Promise.all(listeners.map((listener) => greetsWithin(listener, withinMs)));
  return listeners.filter((_, index) => answers[index]);
}

async function greetsWithin(listener: SmtpdListener, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const left = deadline - performance.now();
    if (left <= 0) return false;
    if (await greets(listener, left)) return true;
    await sleep(Math.min(LOOK_EVERY_MS, Math.max(0, deadline - performance.now())));
  }
}

/** Any reply counts: a refusal is an answer too. A server that cannot start hangs up, or says nothing. */
function greets(listener: SmtpdListener, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...placeOf(listener), timeout: withinMs });
    const end = (isAnswer: boolean): void => {
      socket.destroy();
      resolve(isAnswer);
    };
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (/^\d{3}[ -]/.test(received))
        socket.end('QUIT\r\n', () => {
          end(true);
        });
    });
    for (const event of ['error', 'timeout', 'close'] as const)
      socket.on(event, () => {
        end(false);
      });
  });
}
