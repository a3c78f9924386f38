/**
 * The benchmark: `node bench/run.ts [policy] [milter] [postfix] [routing] [--json FILE]`. Without a part it runs all, in that order.
 * Prints one table for each; `--json FILE`, or POSTERN_BENCH_JSON=FILE, writes all rows and a description of the machine
 * as well. POSTERN_BENCH_SECONDS sets how long each row is measured (6 where absent). `postfix` and `routing` need root,
 * and all but `policy` need Debian's opendkim, nsd and Postfix. Everything stays on loopback and in temporary directories.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { benchMilter } from './milter.ts';
import { benchPolicy } from './policy.ts';
import { benchPostfix } from './postfix.ts';
import { benchRouting } from './routing.ts';
import { rounded, secondsPerRow, type Table } from './report.ts';

const PARTS = {
  policy: async () => [await benchPolicy()],
  milter: async () => [await benchMilter()],
  postfix: benchPostfix,
  routing: benchRouting,
} satisfies Record<string, () => Promise<readonly Table[]>>;
type Part = keyof typeof PARTS;

const isPart = (name: string): name is Part => Object.hasOwn(PARTS, name);

/** What a program says to be, or null where it is not there. */
function versionOf(program: string, args: readonly string[], pattern: RegExp): string | null {
  try {
    const said = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return pattern.exec(said)?.[1] ?? null;
  } catch {
    return null;
  }
}

const machine = (): Record<string, unknown> => ({
  cores: availableParallelism(),
  processor: cpus()[0]?.model ?? null,
  memoryGiB: rounded(totalmem() / 2 ** 30, 1),
  kernel: release(),
  node: process.version,
  postfix: versionOf('/usr/sbin/postconf', ['-d', 'mail_version'], /= (\S+)/),
  opendkim: versionOf('/usr/sbin/opendkim', ['-V'], /Filter v(\S+)/),
  loadAverage: loadavg().map((value) => rounded(value, 2)),
});

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const unknown = positionals.filter((name) => !isPart(name));
if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
const file = values.json ?? process.env.POSTERN_BENCH_JSON;
const report = {
  startedAt: new Date().toISOString(),
  secondsPerRow: secondsPerRow(),
  machine: machine(),
  tables: [] as (Table & { readonly part: Part; readonly loadAverage: number })[],
};
console.log(JSON.stringify(report.machine));
for (const part of Object.keys(PARTS).filter(isPart)) {
  if (positionals.length > 0 && !positionals.includes(part)) continue;
  const loadAverage = rounded(loadavg()[0] ?? 0, 2);
  for (const table of await PARTS[part]()) {
    console.log(`\n${table.title} (load average at its start: ${loadAverage})`);
    console.table(table.rows);
    report.tables.push({ part, loadAverage, ...table });
  }
  // Written after each part: what was measured is not lost with a later one.
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}
