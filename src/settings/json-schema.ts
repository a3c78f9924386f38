/** The settings document as JSON Schema (draft 2020-12), for editors, the page and the manual. */
import { z } from 'zod';
import { settingsDocument } from './schema/index.ts';

/** The schema of what may be written; rules that look at two settings at once are not in it. */
export function settingsJsonSchema(): Record<string, unknown> {
  return { title: 'Postern settings', ...z.toJSONSchema(settingsDocument, { io: 'input', unrepresentable: 'any' }) };
}
