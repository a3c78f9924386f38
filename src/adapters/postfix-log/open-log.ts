/**
 * One open log file, read forward from a place in it. Knows no names: a file that is renamed is read on.
 * Source: open(2), pread(2); logrotate(8) copytruncate.
 */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { LogLines } from '../../wire/postfix-log/index.ts';

/** How much is read at a time. */
const CHUNK_OCTETS = 64 * 1024;
/** How many octets before the place are looked at again with each reading. */
const BEFORE_OCTETS = 64;

/** Device and inode of what stands at a path, and its size. Errors: those of the file system; one for no regular file. */
export async function lookAt(path: string): Promise<{ readonly file: string; readonly size: number }> {
  const { dev, ino, size, isFile } = await stat(path, { bigint: true }).then((stats) => ({
    dev: stats.dev,
    ino: stats.ino,
    size: stats.size,
    isFile: stats.isFile(),
  }));
  // Opening a pipe would wait for its writer.
  if (!isFile) throw new Error('it is no regular file');
  return { file: `${dev}:${ino}`, size: Number(size) };
}

/** A log that is being read. */
export class OpenLog {
  readonly file: string;
  readonly #handle: FileHandle;
  readonly #lines = new LogLines();
  readonly #buffer = Buffer.alloc(BEFORE_OCTETS + CHUNK_OCTETS);
  #offset: number;
  #before: Buffer;
  /** The octets before the line that has not come to its end. */
  #beforeLine: Buffer;

  private constructor(handle: FileHandle, file: string, offset: number, before: Buffer) {
    this.#handle = handle;
    this.file = file;
    this.#offset = offset;
    this.#before = before;
    this.#beforeLine = before;
  }

  /**
   * Opens a file at a place, or at its end. `before` in base64, where it is given, must stand before the place: else the
   * file was cut since, and is read from its beginning. Errors: those of the file system.
   */
  static async open(path: string, at: number | 'end', before: string | null = null): Promise<OpenLog> {
    const { file, size } = await lookAt(path);
    const handle = await open(path, 'r');
    try {
      const offset = at === 'end' ? size : at;
      const found = await read(handle, Math.max(0, offset - BEFORE_OCTETS), Math.min(offset, BEFORE_OCTETS));
      const isThere = found.length === Math.min(offset, BEFORE_OCTETS);
      const isSame = isThere && (before === null || found.equals(Buffer.from(before, 'base64')));
      return isSame ? new OpenLog(handle, file, offset, found) : new OpenLog(handle, file, 0, Buffer.alloc(0));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The end of the last whole line. */
  get place(): { readonly offset: number; readonly before: string } {
    return { offset: this.#offset - this.#lines.pendingOctets, before: this.#beforeLine.toString('base64') };
  }

  /** The next lines; null at the end of the file. A file that was cut is read from its beginning. */
  async read(): Promise<readonly string[] | null> {
    const overlap = this.#before.length;
    const { bytesRead } = await this.#handle.read(this.#buffer, 0, overlap + CHUNK_OCTETS, this.#offset - overlap);
    const isSame = bytesRead >= overlap && this.#buffer.subarray(0, overlap).equals(this.#before);
    if (!isSame) {
      this.#offset = 0;
      this.#before = this.#beforeLine = Buffer.alloc(0);
      this.#lines.reset();
      return [];
    }
    if (bytesRead === overlap) return null;
    const pending = this.#lines.pendingOctets;
    const chunk = this.#buffer.subarray(overlap, bytesRead);
    const lines = this.#lines.receive(chunk);
    this.#offset += chunk.length;
    const all = this.#buffer.subarray(0, bytesRead);
    this.#before = tailOf(all, bytesRead);
    const left = this.#lines.pendingOctets;
    // Where no line came to its end, the place is the one before.
    if (left !== pending + chunk.length) this.#beforeLine = tailOf(all, bytesRead - left);
    return lines;
  }

  /** Errors: those of the file system. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** The last octets before `end`, as their own copy. */
const tailOf = (all: Buffer, end: number): Buffer => Buffer.from(all.subarray(Math.max(0, end - BEFORE_OCTETS), end));

async function read(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, at);
  return buffer.subarray(0, bytesRead);
}
