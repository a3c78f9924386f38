/**
 * The thread that loads settings: to read, check and compile long lists takes most of a second, and no answer may wait
 * for that. It does one load and ends, so that nothing of what it read stays in memory.
 * Source: node:worker_threads.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { createSettingsLoader, PosternError, type LoadReport } from '../../services/index.ts';
import { createLastGood } from './last-good.ts';
import { createSettingsFile } from './settings-file.ts';
import { takeApart, transferable } from './snapshot-pieces.ts';
import type { LoadAnswer, LoadRequest, SettingsFiles } from './thread-protocol.ts';

const { settings, name, state } = workerData as SettingsFiles;
const loader = createSettingsLoader(
  createSettingsFile(settings, name),
  createLastGood(state, () => Date.now()),
);

const tell = (answer: LoadAnswer): void => parentPort?.postMessage(answer);

function send(report: LoadReport, savedAt: number, known: readonly string[], port: MessagePort): void {
  const { snapshot } = report;
  const parts = snapshot === null ? null : takeApart(snapshot, new Set(known));
  for (const piece of parts?.pieces ?? []) port.postMessage(piece, transferable(piece));
  const framed = { ...report, snapshot: parts?.frame ?? null, pieceCount: parts?.pieces.length ?? 0, savedAt };
  tell({ kind: 'report', report: framed });
}

async function answer({ what, surroundings, known, pieces }: LoadRequest): Promise<void> {
  if (what === 'settings') {
    const { report, kept } = await loader.load(surroundings);
    send(report, 0, known, pieces);
    tell({ kind: 'kept', fault: await kept });
    return;
  }
  const good = await loader.loadLastGood(surroundings);
  if (good === null) tell({ kind: 'nothing-saved' });
  else send(good, good.savedAt, known, pieces);
}

parentPort?.once('message', (request: LoadRequest) => {
  answer(request)
    .catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      tell({ kind: 'failed', code: error instanceof PosternError ? error.code : null, message });
    })
    .finally(() => parentPort?.close());
});
