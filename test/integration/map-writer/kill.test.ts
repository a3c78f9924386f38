/** A map writer killed at random moments while Postfix looks up: every answer is the old one or the new one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TableType } from '../../../src/services/index.ts';
import { PostfixLab } from '../../support/postfix-lab.ts';
import { replyText, SmtpClient } from '../../support/smtp-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { isWholeProof } from '../adapters/peers.ts';
import { indexed, lookUpAll, typesHere, writerIn, type Workshop } from './workshop.ts';
import { FakeLog } from '../../support/fake-log.ts';

const kills = isWholeProof ? 100 : 10;
/** That a kill falls into a writing is likely and not certain: where too few did, there are more of them. */
const mostKills = 4 * kills;
const keyCount = 400;
const keys = Array.from({ length: keyCount }, (_, key) => `key${key}.example`);
const program = join(import.meta.dirname, '../../proof/map-writer/endless-writer.ts');

/** The writer processes, one at a time; `begun` is the newest version that may be in place, `inPlace` the newest that was. */
class Killed {
  inPlace: number;
  begun: number;
  /** How many writers were killed, how many left a table half made, and how many versions were put in place. */
  kills = 0;
  interrupted = 0;
  versions = 0;
  readonly failures: string[] = [];
  readonly #args: readonly string[];
  readonly #directory: string;
  #windowMs: number;

  constructor(directory: string, args: readonly string[], version: number, windowMs: number) {
    this.#directory = directory;
    this.#windowMs = windowMs;
    this.#args = [directory, ...args];
    this.inPlace = version;
    this.begun = version;
  }

  /** Starts a writer and kills it at a random moment: of its first writing, or of any after the first is in place. */
  async once(when: 'first-writing' | 'later'): Promise<void> {
    const args = [program, ...this.#args, String(this.begun + 1), String(keyCount)];
    const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('no standard output');
    // 'close' comes after the last line that it printed.
    const ended = once(child, 'close');
    const lines = createInterface({ input: child.stdout });
    const ready = once(lines, 'line');
    const before = this.versions;
    const wrote = Promise.withResolvers<undefined>();
    lines.on('line', (line) => {
      if (line === 'ready') this.begun += 1;
      else if (line.startsWith('failed')) {
        this.failures.push(line);
        wrote.resolve(undefined);
      } else {
        this.versions += 1;
        this.inPlace = Math.max(this.inPlace, Number(line));
        this.begun = this.inPlace + 1;
        wrote.resolve(undefined);
      }
    });
    await Promise.race([ready, ended]);
    if (when === 'later') await Promise.race([wrote.promise, ended]);
    await sleep(randomInt(0, this.#windowMs));
    child.kill('SIGKILL');
    const [code] = (await ended) as [number | null];
    if (code !== null) throw new Error(`a writer ended with exit code ${code} before it was killed`);
    this.kills += 1;
    const aside = `.postern-${child.pid ?? ''}-`;
    if ((await readdir(this.#directory)).some((name) => name.startsWith(aside))) this.interrupted += 1;
    // The machine is slower than it was: later kills have to fall into more than the start of a writing.
    else if (this.versions === before) this.#windowMs = Math.min(this.#windowMs * 2, 2_000);
    // One more may be in place without a word.
    this.begun += 1;
  }
}

describe('MAP-02', () => {
  const cases = typesHere.map((type): [TableType] => [type]);
  it.each(cases)(
    `MAP-02 a writer killed ${kills} times leaves every look-up the old or the new answer: %s`,
    async (type) => {
      const directory = join(await temporaryDirectory(), 'maps');
      const lab = await PostfixLab.start({
        ownDomains: ['key0.example'],
        destinationPort: 9,
        settings: { transport_maps: `${type}:${directory}/transport` },
      });
      onTestFinished(() => lab.destroy());
      const at: Workshop = {
        configDirectory: lab.configDirectory,
        queueDirectory: lab.queueDirectory,
        mapDirectory: directory,
        log: new FakeLog(),
        mapTypes: [type],
      };
      const before = await writerIn(at, { type });
      const began = performance.now();
      await before.publish([
        indexed('transport', Object.fromEntries(keys.map((key) => [key, 'error:5.1.1 version-1']))),
      ]);
      const windowMs = Math.ceil(2 * (performance.now() - began));
      await before.stop();
      const table = before.table('transport', 'indexed');

      const writers = new Killed(directory, [type, lab.configDirectory, lab.queueDirectory], 1, windowMs);
      let isOver = false;
      let byPostmap = 0;
      let byPostfix = 0;
      /** Every look-up opens the table afresh and asks for all keys: one version, whole, not older than what was in place when it began. */
      const lookUp = async (): Promise<void> => {
        let newest = 1;
        while (!isOver) {
          const atLeast = Math.max(newest, writers.inPlace);
          const { code, stdout, stderr } = await lookUpAll(at, keys, table);
          // What the writer printed before this look-up was read by us already, or is read now.
          await new Promise(setImmediate);
          const lines = stdout.split('\n').slice(0, -1);
          const version = Number(/\terror:5\.1\.1 version-(\d+)$/.exec(lines[0] ?? '')?.[1]);
          expect({ code, stderr, lines: lines.length }).toEqual({ code: 0, stderr: '', lines: keyCount });
          expect(new Set(lines.map((line) => line.split('\t')[1]))).toEqual(
            new Set([`error:5.1.1 version-${version}`]),
          );
          expect(version).toBeGreaterThanOrEqual(atLeast);
          expect(version).toBeLessThanOrEqual(writers.begun);
          newest = version;
          byPostmap += 1;
        }
      };
      /** A running Postfix may know an old version for a while, but it always has an answer. */
      const sendMail = async (): Promise<void> => {
        while (!isOver) {
          const session = await SmtpClient.open(lab.port());
          await session.mail('sender@remote.example');
          for (let rcpt = 0; rcpt < 20; rcpt += 1) {
            const reply = replyText(await session.rcpt(`u${Math.random()}@key0.example`));
            await new Promise(setImmediate);
            const version = Number(/^550 5\.1\.1 .* rejected: version-(\d+)$/.exec(reply)?.[1] ?? reply);
            expect(version, reply).toBeGreaterThanOrEqual(1);
            expect(version, reply).toBeLessThanOrEqual(writers.begun);
            byPostfix += 1;
          }
          session.close();
        }
      };
      const killAll = async (): Promise<void> => {
        try {
          const isEnough = (): boolean => Math.min(writers.versions, writers.interrupted) > kills / 4;
          while (writers.kills < kills || (!isEnough() && writers.kills < mostKills)) {
            await writers.once(writers.kills % 2 === 0 ? 'later' : 'first-writing');
          }
        } finally {
          isOver = true;
        }
      };
      const loops = [killAll(), lookUp(), lookUp(), sendMail()];
      const outcomes = await Promise.allSettled(
        loops.map((loop) =>
          loop.catch((error: unknown) => {
            isOver = true;
            throw error;
          }),
        ),
      );
      const failures = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
      );
      if (failures.length > 0) throw failures[0];
      expect(writers.failures).toEqual([]);
      expect(writers.versions).toBeGreaterThan(kills / 4);
      expect(writers.interrupted).toBeGreaterThan(kills / 4);
      expect(lab.logLines().filter((line) => /fatal|panic|lookup (?:error|failure)/i.test(line))).toEqual([]);

      // The next writer finds the directory in order, and clears it.
      const after = await writerIn(at, { type });
      expect((await readdir(directory)).filter((name) => /^(?:__db\.)?\.postern-\d/.test(name))).toEqual([]);
      const last = indexed('transport', Object.fromEntries(keys.map((key) => [key, 'error:5.1.1 version-0'])));
      expect((await after.publish([last])).maps[0]?.status).not.toBe('failed');
      expect((await lookUpAll(at, keys, table)).stdout).toBe(
        keys.map((key) => `${key}\terror:5.1.1 version-0\n`).join(''),
      );
      console.log(
        `${type}: ${writers.kills} kills, ${writers.interrupted} of them inside a writing, ${writers.versions} versions, look-ups: ${byPostmap} x ${keyCount} by postmap, ${byPostfix} by Postfix`,
      );
    },
    isWholeProof ? 600_000 : 180_000,
  );
});
