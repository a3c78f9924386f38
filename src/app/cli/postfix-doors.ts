/** Whether somebody answers at the doors that Postfix is told to ask: while nobody does, mail waits. */
import { connect } from 'node:net';
import { formatListener, type Listener } from '../../operator/index.ts';
import type { Advice } from '../../answers/index.ts';
import type { Workspace } from '../workspace.ts';

const WITHIN_MS = 2_000;

/** A warning for each door that Postfix asks and at which nobody answers. */
export async function shutDoors({ operator }: Workspace): Promise<Advice[]> {
  const doors = (['policy', 'milter'] as const).flatMap((door) => {
    const listener = operator.listen[door][0];
    return listener === undefined ? [] : [{ door, listener }];
  });
  const answers = await Promise.all(doors.map(({ listener }) => isOpen(listener)));
  return doors
    .filter((_, index) => answers[index] === false)
    .map(({ door, listener }) => ({
      severity: 'warning',
      text: `nobody answers at the ${door} door ${formatListener(listener)}: mail waits until it does; start it:`,
      line: 'postern serve',
    }));
}

function isOpen(listener: Listener): Promise<boolean> {
  return new Promise((resolve) => {
    const place = listener.kind === 'unix' ? { path: listener.path } : { host: listener.host, port: listener.port };
    const socket = connect({ ...place, timeout: WITHIN_MS });
    const end = (isAnswer: boolean): void => {
      socket.destroy();
      resolve(isAnswer);
    };
    socket.on('connect', () => {
      end(true);
    });
    for (const event of ['error', 'timeout'] as const)
      socket.on(event, () => {
        end(false);
      });
  });
}
