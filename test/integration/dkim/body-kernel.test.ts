import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { kernelBase64 } from '../../../src/dkim/body-kernel.ts';

const WAT2WASM = '/usr/bin/wat2wasm';
const SOURCE = `${import.meta.dirname}/../../../src/dkim/body-kernel.wat`;

it('SIG-02 the bytes of the body kernel are those of its source', () => {
  if (!existsSync(WAT2WASM)) throw new Error('missing: wabt. "sh test/tooling/prepare.sh" installs it.');
  const assembled = execFileSync(WAT2WASM, [SOURCE, '--output=-']);
  expect(kernelBase64, 'assemble it again, as body-kernel.ts says').toBe(assembled.toString('base64'));
});
