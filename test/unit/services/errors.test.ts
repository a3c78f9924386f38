import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../src/services/index.ts';

describe('error codes', () => {
  const manual = readFileSync(`${import.meta.dirname}/../../../README.md`, 'utf8');

  it.each(Object.keys(ERROR_CODES))('%s has its paragraph in the README', (code) => {
    expect(manual).toContain(`| \`${code}\` |`);
  });
});
