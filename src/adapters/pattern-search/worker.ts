/**
 * The thread that matches patterns: linear in the text, but a pattern made to be slow takes more than a second over a
 * header of 64 KiB, and no other session may wait for that. Decides nothing, and knows of no limit but its memory.
 * Source: RE2 syntax, as re2js implements it; setpriority(2), which on Linux is about one thread.
 */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { RE2JS } from 're2js';
import type { Said, Search } from './protocol.ts';

/** Compiled patterns. Each may come to hold some megabytes of what it learnt of texts. */
const MOST_KEPT = 200;
const compiled = new Map<string, RE2JS>();

function patternOf(text: string): RE2JS {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  if (compiled.size >= MOST_KEPT) compiled.clear();
  const pattern = RE2JS.compile(text, RE2JS.CASE_INSENSITIVE);
  compiled.set(text, pattern);
  return pattern;
}

function search({ pattern, lines }: Search): Said {
  try {
    const engine = patternOf(pattern);
    // Not the time on the clock: on a busy host every pattern would look slow.
    const before = process.threadCpuUsage();
    const line = lines.findIndex((text) => engine.test(text));
    const { user, system } = process.threadCpuUsage(before);
    return { kind: 'found', line: line < 0 ? null : line, cpuMs: (user + system) / 1_000 };
  } catch (error) {
    return { kind: 'fault', reason: error instanceof Error ? error.message : String(error) };
  }
}

const say = (said: Said): void => parentPort?.postMessage(said);

/** Answers go before: where all processors are busy, the thread that gives them gets nine tenths of this one's time. */
const NICE = 10;
if (process.platform === 'linux') setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);

parentPort?.on('message', (request: Search) => {
  say(search(request));
});
say({ kind: 'ready' });
