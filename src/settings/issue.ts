/**
 * What is wrong with a settings document: one sentence a fault, each with its place as a JSON pointer.
 * Knows no file: whoever read the text turns pointers into lines and columns.
 * Source: RFC 6901 (JSON pointer).
 */

/** An error refuses the whole document; a warning is only said. */
export type Severity = 'error' | 'warning';

/** `pointer` names the faulty value, or the faulty key where `atKey` is set (an unknown key has no good value). */
export type SettingsIssue = {
  readonly severity: Severity;
  readonly pointer: string;
  readonly message: string;
  readonly atKey?: true;
};

/** Path segments of a place in the document. */
export type Path = readonly (string | number)[];

/** A JSON pointer from path segments. Source: RFC 6901 §3. */
export const toPointer = (path: Path): string =>
  path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** The path segments of a JSON pointer. Source: RFC 6901 §4. */
export const fromPointer = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));

/** Control characters made visible, so that one fault stays one line wherever it is shown. */
const onOneLine = (text: string): string =>
  text.replace(/\p{Cc}/gu, (character) => `<U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}>`);

/** Collects issues. The same sentence about the same place is kept once. */
export class Issues {
  readonly list: SettingsIssue[] = [];
  readonly #seen = new Set<string>();

  #add(issue: SettingsIssue): void {
    const message = onOneLine(issue.message);
    const identity = `${issue.pointer} ${message}`;
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    this.list.push({ ...issue, message });
  }

  error(path: Path, message: string): void {
    this.#add({ severity: 'error', pointer: toPointer(path), message });
  }

  errorAt(pointer: string, message: string): void {
    this.#add({ severity: 'error', pointer, message });
  }

  errorAtKey(path: Path, message: string): void {
    this.#add({ severity: 'error', pointer: toPointer(path), message, atKey: true });
  }

  warning(path: Path, message: string): void {
    this.#add({ severity: 'warning', pointer: toPointer(path), message });
  }

  get hasErrors(): boolean {
    return this.list.some((issue) => issue.severity === 'error');
  }
}

/** `port` for `/routes/x/port`, `allowedIps entry 3` for `/…/allowedIps/2`: how a sentence names the place. */
export function nameOfPlace(pointer: string): string {
  const path = fromPointer(pointer);
  const last = path.at(-1);
  if (last === undefined) return 'the document';
  const list = path.at(-2);
  // Names of organizations, routes and domains may be all digits; they stand at these two depths.
  const isName = path[0] === 'organizations' && (path.length === 2 || path.length === 4);
  return !isName && list !== undefined && /^[0-9]+$/.test(last) ? `${list} entry ${Number(last) + 1}` : onOneLine(last);
}
