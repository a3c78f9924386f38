/** Postern as a process of its own: `postern serve` in a temporary directory, its log lines, its settings file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { stringify } from 'yaml';
import { waitFor } from './waiting.ts';
import { type Watchdog, whenThisProcessEnds } from './watchdog.ts';

const root = join(import.meta.dirname, '../..');

/** One JSON line of the log. Only the fields that tests read are named. */
export interface LogLine {
  readonly level?: number | string;
  readonly msg?: string;
  readonly stage?: string;
  readonly client_address?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly verdict?: string;
  readonly rule?: string;
  readonly setting?: string;
  readonly text?: string;
  readonly revision?: string;
  readonly queue_id?: string;
  /** Of a whole message: the names of the keys that signed it, and how many fields were taken out. */
  readonly signatures?: readonly string[];
  readonly removed?: number;
}

export interface PosternOptions {
  /** The listeners of postern.yaml, by door. A door not named is off. */
  readonly listen: Readonly<Record<string, string | readonly string[]>>;
  /** settings.yaml: text as it is, or an object to write as YAML. */
  readonly settings: string | object;
  /** More keys of postern.yaml. */
  readonly operator?: Readonly<Record<string, unknown>>;
  /** 'source' runs src/cli.ts (the default), 'built' dist/cli.js. */
  readonly program?: 'source' | 'built';
}

/** How an editor replaces a file: a new file renamed over it, or the same file written anew. */
export type WriteManner = 'rename' | 'in-place';

export class PosternProcess {
  readonly directory: string;
  readonly #options: PosternOptions;
  readonly #lines: LogLine[] = [];
  readonly #otherOutput: string[] = [];
  #child: ChildProcess | undefined;
  #exit: Promise<number | NodeJS.Signals> | undefined;
  readonly #directoryWatchdog: Watchdog;

  private constructor(directory: string, options: PosternOptions) {
    this.directory = directory;
    this.#options = options;
    // Later than the end of a process in it, which may still write its state.
    this.#directoryWatchdog = whenThisProcessEnds('sleep 2; rm -rf -- "$1"', [directory]);
  }

  /** Writes both files and starts Postern. Errors: it ends, or is not ready in time; both with what it printed. */
  static async start(options: PosternOptions): Promise<PosternProcess> {
    const postern = await PosternProcess.prepare(options);
    try {
      await postern.start();
    } catch (error) {
      await postern.destroy();
      throw error;
    }
    return postern;
  }

  /** Writes both files only. */
  static async prepare(options: PosternOptions): Promise<PosternProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-run-'));
    const postern = new PosternProcess(directory, options);
    await mkdir(join(directory, 'state'), { mode: 0o700 });
    await postern.writeSettings(options.settings);
    const operator = { listen: options.listen, settings: 'settings.yaml', state: './state', ...options.operator };
    await writeFile(postern.operatorFile, stringify(operator));
    return postern;
  }

  get operatorFile(): string {
    return join(this.directory, 'postern.yaml');
  }

  get settingsFile(): string {
    return join(this.directory, 'settings.yaml');
  }

  /** Everything logged as JSON so far, of all runs. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** What else it printed: standard error, and lines that are not JSON. */
  get otherOutput(): string {
    return this.#otherOutput.join('\n');
  }

  /** The address of the metrics listener, for example "http://127.0.0.1:10043". */
  get metricsUrl(): string {
    const listener = this.#options.listen.metrics;
    if (typeof listener !== 'string') throw new Error('this Postern has no metrics listener');
    return `http://${listener}`;
  }

  /** The exit code of the running process, or the signal that ended it, once it has ended. */
  get ended(): Promise<number | NodeJS.Signals> {
    if (this.#exit === undefined) throw new Error('this Postern was never started');
    return this.#exit;
  }

  /** Starts it (again) and waits for the line `ready`. */
  async start(): Promise<void> {
    const before = this.#lines.length;
    const exit = this.spawn();
    const ready = waitFor(
      'the log line "ready"',
      () => this.#lines.slice(before).find((line) => line.msg === 'ready'),
      20_000,
    );
    const ended = exit.then((code) => {
      throw new Error(`postern serve ended with ${code}`);
    });
    try {
      await Promise.race([ready, ended]);
    } catch (error) {
      const log = this.#lines.slice(before).map((line) => JSON.stringify(line));
      throw new Error([String(error), ...log, this.otherOutput].join('\n'), { cause: error });
    } finally {
      // The loser of the race is settled later, by nobody waited for.
      ready.catch(ignoreLateEnd);
      ended.catch(ignoreLateEnd);
    }
  }

  /** Starts it without waiting and gives its exit code, or the signal that ended it. */
  spawn(): Promise<number | NodeJS.Signals> {
    if (this.#child !== undefined) throw new Error('this Postern runs already');
    const child = spawn(process.execPath, [this.#program, 'serve', '-c', this.operatorFile], {
      cwd: this.directory,
      // A process group of its own, so that Ctrl-C reaches it through us only.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const watchdog = whenThisProcessEnds('kill -TERM "$1"; sleep 1; kill -KILL "$1"', [String(child.pid)]);
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#take(line);
    });
    createInterface({ input: child.stderr }).on('line', (line) => this.#otherOutput.push(line));
    // 'close' comes after the last line of output.
    this.#exit = once(child, 'close').then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
      watchdog.release();
      if (this.#child === child) this.#child = undefined;
      return code ?? signal ?? 0;
    });
    return this.#exit;
  }

  /** Ends it and gives the exit code, or the signal that ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.#child?.kill(signal);
    return this.ended;
  }

  /** SIGKILL: no drain, no last words. */
  async kill(): Promise<void> {
    await this.stop('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The first log line from index `from` on that the test accepts, waiting for it. */
  waitForLine(what: string, test: (line: LogLine) => boolean, from = 0, timeoutMs = 10_000): Promise<LogLine> {
    return waitFor(what, () => this.#lines.slice(from).find(test), timeoutMs);
  }

  /** The decision line of the RCPT stage for this recipient, from log index `from` on. */
  rcptDecision(recipient: string, from = 0): Promise<LogLine> {
    const isIt = (line: LogLine): boolean =>
      line.msg === 'decision' && line.stage === 'rcpt' && line.recipient === recipient;
    return this.waitForLine(`the decision about ${recipient}`, isIt, from);
  }

  /** The decision line of the next whole message, from log index `from` on; of those to the queue id where one is given. */
  messageDecision(from: number, queueId?: string): Promise<LogLine> {
    const isIt = (line: LogLine): boolean =>
      line.msg === 'decision' && line.stage === 'message' && (queueId ?? line.queue_id) === line.queue_id;
    return this.waitForLine('the decision about a message', isIt, from);
  }

  /** What was logged as a warning or an error, from log index `from` on. */
  complaints(from = 0): readonly LogLine[] {
    return this.#lines.slice(from).filter(({ level }) => ['warn', 'error', 'fatal', 40, 50, 60].includes(level ?? ''));
  }

  /** The value of a metric as its line has it, for example `postern_connections{door="milter"}`; 0 where it is not there. */
  async metric(name: string): Promise<number> {
    const page = await (await fetch(`${this.metricsUrl}/metrics`)).text();
    const line = page.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.slice(name.length + 1));
  }

  /** Stops and continues the process itself: it answers nothing meanwhile. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Replaces settings.yaml, as an editor does. */
  async writeSettings(settings: string | object, manner: WriteManner = 'rename'): Promise<void> {
    const content = typeof settings === 'string' ? settings : stringify(settings);
    if (manner === 'in-place') {
      await writeFile(this.settingsFile, content);
      return;
    }
    const aside = `${this.settingsFile}.new`;
    await writeFile(aside, content);
    await rename(aside, this.settingsFile);
  }

  /** Replaces settings.yaml and waits until the new revision is live. */
  async changeSettings(settings: string | object, manner: WriteManner = 'rename'): Promise<LogLine> {
    const before = this.#lines.length;
    await this.writeSettings(settings, manner);
    return this.waitForLine('the log line "change"', (line) => line.msg === 'change', before);
  }

  /** Runs another `postern` command on the same files (`postern ARGS… -c FILE`). */
  async run(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [this.#program, ...args, '-c', this.operatorFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, closed] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: Number(closed[0] ?? 1), stdout, stderr };
  }

  /** Ends it if it runs, and removes its directory. */
  async destroy(): Promise<void> {
    if (this.#exit !== undefined) {
      const timer = setTimeout(() => this.#child?.kill('SIGKILL'), 12_000);
      await this.stop();
      clearTimeout(timer);
    }
    await rm(this.directory, { recursive: true, force: true });
    this.#directoryWatchdog.release();
  }

  get #program(): string {
    return join(root, this.#options.program === 'built' ? 'dist/cli.js' : 'src/cli.ts');
  }

  #take(line: string): void {
    try {
      this.#lines.push(JSON.parse(line) as LogLine);
    } catch {
      // Not JSON: kept to be shown.
      this.#otherOutput.push(line);
    }
  }
}

function ignoreLateEnd(): void {
  // Nothing to do: the outcome was reported by the one that won.
}
