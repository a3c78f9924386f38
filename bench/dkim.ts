/**
 * How fast DKIM signing is, without any socket: the body hash alone, all but RSA for one small message, and whole
 * messages with RSA-2048 in two pool threads. Run it with `node bench/dkim.ts`; it takes about 15 seconds.
 */
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { authorDomain, BodyHasher, prepareSignature, type HeaderField } from '../src/dkim/index.ts';

const POOL_THREADS = '2';
const IN_FLIGHT = 8;
const CHUNK_OCTETS = 65_535;

const WORDS = 'the quick brown fox jumps over lazy dogs and mail servers keep their queues in good order'.split(' ');

/** Lines of up to 72 columns of words, a fixed sequence. */
function text(octets: number, gap: string): Buffer {
  let body = '';
  let seed = 1;
  for (let line = ''; body.length < octets;) {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    const word = WORDS[(seed >> 8) % WORDS.length]!;
    if (line.length + gap.length + word.length > 72) {
      body += `${line}\r\n`;
      line = word;
    } else line += (line === '' ? '' : gap) + word;
  }
  return Buffer.from(`${body.slice(0, octets - 2)}\r\n`, 'latin1');
}

function base64(octets: number): Buffer {
  let lines = '';
  for (let index = 0; lines.length < octets; index += 1) {
    const digest = createHash('sha512').update(String(index)).digest();
    lines += `${Buffer.concat([digest, digest]).toString('base64').slice(0, 76)}\r\n`;
  }
  return Buffer.from(lines.slice(0, octets), 'latin1');
}

function chunksOf(body: Buffer): readonly Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; at += CHUNK_OCTETS) chunks.push(body.subarray(at, at + CHUNK_OCTETS));
  return chunks;
}

function hashBody(chunks: readonly Buffer[]): Buffer {
  const hasher = new BodyHasher('relaxed');
  for (const chunk of chunks) hasher.update(chunk);
  return hasher.digest();
}

const headers: readonly HeaderField[] = [
  { name: 'From', value: ' Alice Example <alice@example.com>' },
  { name: 'To', value: ' Bob <bob@partner.example>,\n\tCarol <carol@partner.example>' },
  { name: 'Subject', value: ' A message about nothing in particular, but of a usual length' },
  { name: 'Date', value: ' Tue, 25 Nov 2025 01:01:01 +0000' },
  { name: 'Message-ID', value: ' <20251125010101.12345@mail.example.com>' },
  { name: 'MIME-Version', value: ' 1.0' },
  { name: 'Content-Type', value: ' text/plain; charset=utf-8;\n format=flowed' },
  { name: 'Content-Transfer-Encoding', value: ' 8bit' },
  { name: 'User-Agent', value: ' Mail/1.0' },
  { name: 'References', value: ' <1@mail.example.com>\n <2@mail.example.com>' },
];

type Complete = (signature: Uint8Array) => string;

function prepare(chunks: readonly Buffer[]): { bytesToSign: Buffer; complete: Complete } {
  const author = authorDomain(headers);
  if (author.kind !== 'domain') throw new Error(author.detail);
  return prepareSignature({
    domain: author.domain,
    selector: 'postern',
    algorithm: 'rsa-sha256',
    timestampSeconds: 1_700_000_000,
    headers,
    bodyHash: hashBody(chunks),
  });
}

/** The median time of one call in milliseconds, over about a second, after a warm-up. */
function medianMs(work: () => unknown, calls: number): number {
  for (let call = 0; call < calls; call += 1) work();
  const times: number[] = [];
  const end = performance.now() + 1000;
  while (performance.now() < end) {
    const start = performance.now();
    for (let call = 0; call < calls; call += 1) work();
    times.push((performance.now() - start) / calls);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

const signInPool = promisify(
  (data: Buffer, key: KeyObject, done: (error: Error | null, signature: Buffer) => void): void => {
    sign('sha256', data, key, done);
  },
);

async function messagesPerSecond(chunks: readonly Buffer[], key: KeyObject, seconds: number): Promise<number> {
  let signed = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const oneAfterAnother = async (): Promise<void> => {
    while (performance.now() < end) {
      const { bytesToSign, complete } = prepare(chunks);
      complete(await signInPool(bytesToSign, key));
      signed += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, oneAfterAnother));
  return signed / ((performance.now() - start) / 1000);
}

async function main(): Promise<void> {
  const MIB = 1 << 20;
  const bodies = {
    'text of 72 columns': text(MIB, ' '),
    'text full of double spaces': text(MIB, '  '),
    base64: base64(MIB),
  };
  for (const [name, body] of Object.entries(bodies)) {
    const chunks = chunksOf(body);
    const perBody = medianMs(() => hashBody(chunks), 4);
    const alone = medianMs(() => createHash('sha256').update(body).digest(), 4);
    const rate = (ms: number): string => (body.length / 1000 / ms).toFixed(0);
    console.log(`relaxed body hash, ${name}: ${rate(perBody)} MB/s (SHA-256 alone: ${rate(alone)} MB/s)`);
  }

  const small = chunksOf(text(4096, ' '));
  const signature = Buffer.alloc(256, 1);
  console.log(
    `4 kB message, all but RSA: ${(medianMs(() => prepare(small).complete(signature), 200) * 1000).toFixed(1)} µs`,
  );

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  console.log(`RSA-2048 in ${POOL_THREADS} pool threads, ${IN_FLIGHT} messages in flight:`);
  for (const [name, octets] of [
    ['4 kB', 4096],
    ['100 kB', 102_400],
    ['1 MB', MIB],
  ] as const) {
    const chunks = chunksOf(text(octets, ' '));
    await messagesPerSecond(chunks, privateKey, 0.5);
    console.log(`  ${name}: ${(await messagesPerSecond(chunks, privateKey, 2)).toFixed(0)} signed messages/s`);
  }
}

// The pool takes its size when it starts, which may be before this line.
if (process.env.UV_THREADPOOL_SIZE === POOL_THREADS) await main();
else {
  const env = { ...process.env, UV_THREADPOOL_SIZE: POOL_THREADS };
  process.exitCode = spawnSync(process.execPath, [import.meta.filename], { env, stdio: 'inherit' }).status ?? 1;
}
