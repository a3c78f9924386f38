/**
 * A SettingsLoader whose work is done in a thread, one for each load. What it compiled is taken in piece by piece, with
 * a turn for the event loop now and then. A thread that fails costs one load.
 * Source: node:worker_threads.
 */
import { extname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { PosternError, type LoadReport, type SettingsLoader, type Surroundings } from '../../services/index.ts';
import { SnapshotAssembly, type Piece } from './snapshot-pieces.ts';
import type { FramedReport, LoadAnswer, LoadRequest, SettingsFiles } from './thread-protocol.ts';

/** The program of the thread, beside this file both in the sources and in the package. */
const PROGRAM = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);
/** Less young memory: what V8 once had it keeps for other threads. The rest stays as V8 sets it. */
const RESOURCES = { maxYoungGenerationSizeMb: 6 };
/** Pieces are taken in for so long at a time. */
const TURN_MS = 2;

type FirstAnswer = Exclude<LoadAnswer, { kind: 'kept' }>;
type Conversation = {
  readonly first: Promise<FirstAnswer>;
  readonly kept: Promise<string | null>;
  readonly pieces: MessagePort;
};

/** Makes a loader for these files. `program` is what the thread runs. */
export const createSettingsThread = (files: SettingsFiles, program: URL = PROGRAM): SettingsLoader =>
  new SettingsThread(files, program);

class SettingsThread implements SettingsLoader {
  readonly #files: SettingsFiles;
  readonly #program: URL;
  readonly #assembly = new SnapshotAssembly();
  /** A thread that was started ahead of its load. */
  #ready: Worker | null = null;

  constructor(files: SettingsFiles, program: URL) {
    this.#files = files;
    this.#program = program;
  }

  prepare(): void {
    this.#ready ??= this.#start();
  }

  async load(surroundings: Surroundings): ReturnType<SettingsLoader['load']> {
    const { first, kept, pieces } = this.#ask('settings', surroundings);
    const answer = await first;
    if (answer.kind !== 'report') throw new Error(`a load of the settings gave "${answer.kind}"`);
    return { report: await this.#takeIn(answer.report, pieces), kept };
  }

  async loadLastGood(surroundings: Surroundings): ReturnType<SettingsLoader['loadLastGood']> {
    const { first, pieces } = this.#ask('last-good', surroundings);
    const answer = await first;
    if (answer.kind !== 'report') return null;
    return { ...(await this.#takeIn(answer.report, pieces)), savedAt: answer.report.savedAt };
  }

  #start(): Worker {
    const worker = new Worker(this.#program, { workerData: this.#files, execArgv: [], resourceLimits: RESOURCES });
    const forget = (): void => {
      if (this.#ready === worker) this.#ready = null;
    };
    // One that fails before its load is no fault yet: the load starts another, and that one's failure is told.
    worker.on('error', forget);
    worker.once('exit', forget);
    // It must not keep a process alive that waits for nothing.
    worker.unref();
    return worker;
  }

  #ask(what: LoadRequest['what'], surroundings: Surroundings): Conversation {
    const worker = this.#ready ?? this.#start();
    this.#ready = null;
    worker.ref();
    const first = Promise.withResolvers<FirstAnswer>();
    const kept = Promise.withResolvers<string | null>();
    const fail = (error: Error): void => {
      first.reject(error);
      kept.resolve(error.message);
    };
    worker.on('message', (answer: LoadAnswer) => {
      if (answer.kind === 'kept') kept.resolve(answer.fault);
      else if (answer.kind !== 'failed') first.resolve(answer);
      else fail(answer.code === null ? new Error(answer.message) : new PosternError(answer.code, answer.message));
    });
    worker.on('error', (error: Error) => {
      fail(new Error(`the thread that loads settings failed: ${error.message}`, { cause: error }));
    });
    worker.once('exit', () => {
      fail(new Error('the thread that loads settings ended'));
    });
    const { port1, port2 } = new MessageChannel();
    const request: LoadRequest = { what, surroundings, known: this.#assembly.known(), pieces: port2 };
    worker.postMessage(request, [port2]);
    return { first: first.promise, kept: kept.promise, pieces: port1 };
  }

  async #takeIn({ snapshot: frame, pieceCount, ...report }: FramedReport, pieces: MessagePort): Promise<LoadReport> {
    let since = performance.now();
    for (let taken = 0; taken < pieceCount; taken += 1) {
      if (performance.now() - since > TURN_MS) {
        await turn();
        since = performance.now();
      }
      const received = receiveMessageOnPort(pieces) as { readonly message: Piece } | undefined;
      if (received === undefined) throw new Error('a piece of the snapshot did not come');
      this.#assembly.take(received.message);
    }
    pieces.close();
    const { listFiles, errors, warnings, remarks } = report;
    return {
      snapshot: frame === null ? null : this.#assembly.assemble(frame),
      listFiles,
      errors,
      warnings,
      remarks,
    };
  }
}
