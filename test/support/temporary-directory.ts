/** A directory of its own for a test, with files in it, gone after the test. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Makes the directory with files by their relative paths; it is removed when the running test ends, also while something is still written. */
export async function temporaryDirectory(files: Readonly<Record<string, string | Buffer>> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 }));
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  return directory;
}
